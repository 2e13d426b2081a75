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
            TunnelAddCommand.self, TunnelListCommand.self, TunnelEnableCommand.self, TunnelDisableCommand.self,
            TunnelRemoveCommand.self,
        ])
}

struct TunnelAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Add a tunnel, or change the one of that name; hot, on every member.",
        discussion: """
            GATEWAY is a member's name, or label:key=value for all members that have it.

              dxgateway tunnel add ssh --origin hq@127.0.0.1:2222 --destination edge-1@127.0.0.1:22
              dxgateway tunnel add logs --origin label:kind=plc@127.0.0.1:514 --destination hq@127.0.0.1:6514
            """)

    @Argument(help: "The tunnel's name.")
    var name: String

    @Option(help: ArgumentHelp("Where applications connect; any number.", valueName: "gateway@host:port"))
    var origin: [String]

    @Option(
        help: ArgumentHelp(
            "Where connections come out; any number, with ,order=N behind the port.", valueName: "gateway@host:port"))
    var destination: [String]

    @Option(help: ArgumentHelp("From where clients may connect; any number.", valueName: "cidr"))
    var allow: [String] = []

    @Option(help: ArgumentHelp("Its part among the tunnels of one channel, 1 to 256.", valueName: "number"))
    var share: Int?

    @Option(name: .customLong("class"), help: ArgumentHelp("interactive or bulk.", valueName: "class"))
    var schedulingClass: String?

    @Option(help: ArgumentHelp("Connections open at once at each gateway.", valueName: "number"))
    var maxConnections: Int?

    @Option(help: ArgumentHelp("When it ends, as 2027-01-31T12:00:00Z.", valueName: "time"))
    var until: String?

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func validate() throws {
        guard until == nil || until.flatMap(Timestamp.init) != nil else {
            throw ValidationError("--until is a time as in 2027-01-31T12:00:00Z")
        }
    }

    func run() async throws {
        let request = TunnelRequest(
            name: name, origins: origin, destinations: destination, allow: allow.isEmpty ? nil : allow, share: share,
            schedulingClass: schedulingClass, maximumConnections: maxConnections,
            until: until.flatMap(Timestamp.init))
        let (reply, text) = try await options.group(.put, "/v1/tunnels", request, as: ChangeReply.self)
        Output.line(json ? text : "tunnel \(name) is in the group, revision \(reply.revision)")
    }
}

struct TunnelListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show the tunnels of the group.", discussion: "  dxgateway tunnel list --json")

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() async throws {
        let (reply, text) = try await options.group(.get, "/v1/tunnels", as: TunnelsReply.self)
        if json { return Output.line(text) }
        for tunnel in reply.tunnels {
            let ends = "\(tunnel.origins.joined(separator: " ")) -> \(tunnel.destinations.joined(separator: " "))"
            let notes = (tunnel.enabled ? "" : "  disabled") + (tunnel.until.map { "  until \($0)" } ?? "")
            Output.line("\(tunnel.name)  \(ends)\(notes)")
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
    @Argument(help: "The tunnel's name.")
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
