import ArgumentParser
import DXControl
import DXTunnel

struct TunnelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tunnel",
        abstract: "Show and change the tunnels of the group.",
        discussion: """
              dxgateway tunnel add web --origin edge-1@127.0.0.1:8080 --destination hq@127.0.0.1:80
              dxgateway tunnel list
            """,
        subcommands: [
            TunnelAddCommand.self, TunnelListCommand.self, TunnelShowCommand.self, TunnelEnableCommand.self,
            TunnelDisableCommand.self, TunnelRemoveCommand.self, TunnelFailbackCommand.self,
        ])
}

struct TunnelAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Add a tunnel, or change the one of that name; hot, on every member.",
        discussion: """
            GATEWAY is a member's name, or label:key=value for all members that have it.

              dxgateway tunnel add ssh --origin hq@127.0.0.1:2222 --destination edge-1@127.0.0.1:22
              dxgateway tunnel add dns --udp --origin edge-1@127.0.0.1:53 --destination hq@10.0.0.53:53
              dxgateway tunnel add logs --origin label:kind=plc@127.0.0.1:514 --destination hq@127.0.0.1:6514
              dxgateway tunnel add web --origin edge-1@127.0.0.1:8080 --confirm 60s \\
                --destination a@127.0.0.1:80,weight=3 --destination b@127.0.0.1:80 --destination c@127.0.0.1:80,order=1
              dxgateway tunnel add db --origin edge-1@unix:/run/app/db.sock,mode=0660 \\
                --destination hq@unix:/run/postgresql/.s.PGSQL.5432
              dxgateway tunnel add media --origin edge-1@:8000-8009 --destination hq@10.0.0.5:8000-8009
              dxgateway tunnel add shop --origin edge-1@127.0.0.1:8443 --health http:/health --failback 1m \\
                --destination a@127.0.0.1:443 --destination b@127.0.0.1:443,order=1
            """)

    @Argument(help: "The tunnel's name.", completion: .tunnels)
    var name: String

    @Option(
        help: ArgumentHelp(
            "Where applications connect; any number. HOST:PORT, HOST:FIRST-LAST or unix:/PATH; behind this ,mode=0660:"
                + " who may connect.", valueName: "gateway@address"))
    var origin: [String]

    @Option(
        help: ArgumentHelp(
            "Where connections come out; any number. Behind the address ,order=N: the lowest that is there is used;"
                + " ,weight=N: how many of the connections among those of one order.", valueName: "gateway@address"))
    var destination: [String]

    @Option(help: ArgumentHelp("From where clients may connect; any number.", valueName: "cidr"))
    var allow: [String] = []

    @Option(help: ArgumentHelp("Its part among the tunnels of one channel, 1 to 256.", valueName: "number"))
    var share: Int?

    @Option(name: .customLong("class"), help: ArgumentHelp("interactive or bulk.", valueName: "class"))
    var schedulingClass: String?

    @Option(help: ArgumentHelp("Connections open at once at each gateway.", valueName: "number"))
    var maxConnections: Int?

    @Option(help: ArgumentHelp("The most that each end sends, as 500K, 20M or 1G bits a second.", valueName: "rate"))
    var rate: String?

    @Flag(help: "It carries UDP: datagrams, those of each client a flow of their own.")
    var udp = false

    @Option(
        help: ArgumentHelp(
            "Reset a connection after so long without a byte, as 10m; a flow of UDP ends after 60s unless told.",
            valueName: "time"))
    var idleTimeout: String?

    @Flag(help: "Tell the target who the client is (PROXY protocol, version 2).")
    var proxyProtocol = false

    @Option(help: ArgumentHelp("deflate; docs/threat-model.md says what it leaks.", valueName: "method"))
    var compression: String?

    @Option(
        help: ArgumentHelp(
            "Go back to what there was before unless config confirm comes within this time, as 60s.", valueName: "time")
    )
    var confirm: String?

    @Option(help: ArgumentHelp("When it ends, as 2027-01-31T12:00:00Z.", valueName: "time"))
    var until: String?

    @OptionGroup var availability: AvailabilityOptions

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func validate() throws {
        guard until == nil || until.flatMap(Timestamp.init) != nil else {
            throw ValidationError("--until is a time as in 2027-01-31T12:00:00Z")
        }
        guard rate == nil || rate.flatMap(Quantity.bitsPerSecond) != nil else {
            throw ValidationError("--rate is bits a second, as 500K, 20M or 1G")
        }
        guard idleTimeout == nil || idleTimeout.flatMap(InviteMakeCommand.seconds) != nil else {
            throw ValidationError("--idle-timeout is a number and s, m, h or d, as in 10m")
        }
        guard confirm == nil || confirm.flatMap(InviteMakeCommand.seconds) != nil else {
            throw ValidationError("--confirm is a number and s, m, h or d, as in 60s")
        }
    }

    func run() async throws {
        var request = TunnelRequest(
            name: name, origins: origin, destinations: destination, allow: allow.isEmpty ? nil : allow, share: share,
            schedulingClass: schedulingClass, maximumConnections: maxConnections,
            rate: rate.flatMap(Quantity.bitsPerSecond), networkProtocol: udp ? "udp" : nil,
            idleSeconds: idleTimeout.flatMap(InviteMakeCommand.seconds), proxyProtocol: proxyProtocol ? true : nil,
            compression: compression, until: until.flatMap(Timestamp.init),
            confirmSeconds: confirm.flatMap(InviteMakeCommand.seconds))
        availability.apply(to: &request)
        let (reply, text) = try await options.group(.put, "/v1/tunnels", request, as: ChangeReply.self)
        Output.line(json ? text : "tunnel \(name) is in the group, revision \(reply.revision)")
        if let confirm, !json {
            Output.error("it holds for \(confirm), and for good after:  dxgateway config confirm \(name)")
        }
    }
}

struct TunnelListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show the tunnels of the group, and how they stand at this gateway.",
        discussion: """
            --here shows the ends at this gateway alone, with their connections and bytes; without a group there are no others.

              dxgateway tunnel list
              dxgateway tunnel list --here
              dxgateway tunnel list --json
            """)

    @Flag(help: "Show the ends at this gateway: their states, connections and bytes.")
    var here = false

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() async throws {
        let group = here ? nil : try await options.unlessWithoutGroup("/v1/tunnels", as: TunnelsReply.self)
        if let group, json { return Output.line(group.json) }
        let status = try await options.status().status
        guard let group else {
            if json { return try Output.json(TunnelEndsReply(here: status.tunnels)) }
            return Output.line(TunnelText.table(status.tunnels, terminal: .output))
        }
        for tunnel in group.reply.tunnels {
            let ends = status.tunnels.filter { $0.name == tunnel.definition.name }
            Output.line(Self.line(tunnel) + (TunnelText.trouble(ends).map { "  [\($0)]" } ?? ""))
        }
    }

    private static func line(_ tunnel: GroupTunnel) -> String {
        let definition = tunnel.definition
        var notes: [String] = []
        if definition.networkProtocol == "udp" { notes.append("UDP") }
        if !tunnel.enabled { notes.append("disabled") }
        if let until = definition.until { notes.append("until \(until)") }
        if let trial = tunnel.trial {
            notes.append(
                trial.holds ? "to be confirmed within \(trial.secondsLeft) s" : "not confirmed: as it was before")
        }
        let origins = definition.origins.joined(separator: ", ")
        let destinations = definition.destinations.joined(separator: ", ")
        return "\(definition.name)  \(origins) -> \(destinations)"
            + (notes.isEmpty ? "" : "  (\(notes.joined(separator: "; ")))")
    }
}

struct TunnelShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show all of one tunnel, and how it stands at this gateway.",
        discussion: "  dxgateway tunnel show web")

    @Argument(help: "The tunnel's name.", completion: .tunnels)
    var name: String

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() async throws {
        let path = "/v1/tunnels/" + ControlOptions.escaped(name)
        guard let (reply, text) = try await options.unlessWithoutGroup(path, as: TunnelReply.self) else {
            return try await showWithoutGroup()
        }
        if json { return Output.line(text) }
        let definition = reply.tunnel.definition
        Output.line("\(definition.name), since revision \(reply.tunnel.revision) by \(reply.tunnel.by)")
        for origin in definition.origins { Output.line("  origin       \(origin)") }
        for destination in definition.destinations { Output.line("  destination  \(destination)") }
        for range in definition.allow ?? [] { Output.line("  clients from \(range)") }
        var properties = [
            "class \(definition.schedulingClass ?? "bulk")", "share \(definition.share ?? 0)",
            "at most \(definition.maximumConnections ?? 0) connections",
        ]
        if let rate = definition.rate { properties.append("at most \(rate) bit/s") }
        if definition.networkProtocol == "udp" {
            properties.insert("UDP", at: 0)
            properties.append("flows idle for at most \(definition.idleSeconds ?? 60) s")
        } else if let seconds = definition.idleSeconds {
            properties.append("reset after \(seconds) s without a byte")
        }
        if definition.proxyProtocol == true { properties.append("PROXY protocol") }
        if let compression = definition.compression { properties.append("compression \(compression)") }
        if let until = definition.until { properties.append("until \(until)") }
        if !reply.tunnel.enabled { properties.append("disabled") }
        Output.line("  " + properties.joined(separator: ", "))
        if let words = AvailabilityOptions.words(definition) { Output.line("  " + words) }
        if let trial = reply.tunnel.trial {
            Output.line(
                trial.holds
                    ? "  to be confirmed within \(trial.secondsLeft) s:  dxgateway config confirm \(definition.name)"
                    : "  was not confirmed: what there was before holds")
        }
        reply.here.forEach(Self.show)
    }

    /// Its ends here are all that there is to know.
    private func showWithoutGroup() async throws {
        let ends = try await options.status().status.tunnels.filter { $0.name == name }
        guard !ends.isEmpty else {
            throw CommandFailure(.failed, "there is no tunnel \(name); dxgateway tunnel list shows them")
        }
        if json { return try Output.json(TunnelEndsReply(here: ends)) }
        Output.line(name)
        ends.forEach(Self.show)
    }

    private static func show(_ end: TunnelStatus) {
        for line in TunnelText.lines(end) { Output.line("  " + line) }
        for destination in end.destinations ?? [] { Output.line("    " + AvailabilityOptions.words(destination)) }
        if let health = end.health {
            let reason = health.reason.map { ": \($0)" } ?? ""
            Output.line("    the target is \(health.state.rawValue)\(reason)")
        }
    }
}

struct TunnelEnableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enable", abstract: "Use a tunnel again.", discussion: "  dxgateway tunnel enable web")

    @OptionGroup var change: TunnelChange

    func run() async throws { try await change.run(.post, after: "/enable", done: "enabled") }
}

struct TunnelDisableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disable", abstract: "Close a tunnel, and keep it.", discussion: "  dxgateway tunnel disable web")

    @OptionGroup var change: TunnelChange

    func run() async throws { try await change.run(.post, after: "/disable", done: "disabled") }
}

struct TunnelRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Take a tunnel away; its connections end.",
        discussion: "  dxgateway tunnel remove web")

    @OptionGroup var change: TunnelChange

    func run() async throws { try await change.run(.delete, after: "", done: "removed") }
}

/// What the verbs on one tunnel have in common.
struct TunnelChange: ParsableArguments {
    @Argument(help: "The tunnel's name.", completion: .tunnels)
    var name: String

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run(_ method: ControlClient.GroupMethod, after suffix: String, done: String) async throws {
        let path = "/v1/tunnels/" + ControlOptions.escaped(name) + suffix
        let (reply, text) = try await options.group(method, path, as: ChangeReply.self)
        Output.line(json ? text : "\(done) \(name), revision \(reply.revision)")
    }
}
