import ArgumentParser
import DXControl
import DXTunnel

struct ConfigShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show what the group has agreed on.",
        discussion: "  dxgateway config show --json")

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() async throws {
        let (reply, text) = try await options.group(.get, "/v1/config", as: ConfigurationReply.self)
        if json { return Output.line(text) }
        let group = reply.configuration
        Output.line("group \(group.group), revision \(group.revision), epoch \(group.epoch)")
        for member in group.members {
            let notes = (member.role == "member" ? [] : [member.role]) + member.labels
            Output.line("  member \(member.name)  " + notes.joined(separator: ", "))
        }
        for matchmaker in group.matchmakers ?? [] { Output.line("  matchmaker \(matchmaker)") }
        for tunnel in group.tunnels {
            let definition = tunnel.definition
            Output.line(
                "  tunnel \(definition.name)  \(definition.origins.joined(separator: ", ")) -> "
                    + definition.destinations.joined(separator: ", ") + (tunnel.enabled ? "" : "  (disabled)"))
        }
    }
}

struct ConfigExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Print all of the configuration as JSON, with the signed records; no secret.",
        discussion: """
            For keeping, comparing and reading by other programs. Each tunnel's definition is what PUT /v1/tunnels takes.

              dxgateway config export > plant.json
            """)

    @Flag(help: "Print JSON, as it does anyway.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() async throws {
        Output.line(try await options.group(.get, "/v1/config/export", as: ConfigurationReply.self).json)
    }
}

struct ConfigHistoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "Show what was changed, when and by whom, newest first.",
        discussion: """
            Of each thing the newest four statements of each admin are kept.

              dxgateway config history --limit 20
            """)

    @Option(help: ArgumentHelp("How many lines.", valueName: "number"))
    var limit = 100

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func validate() throws {
        guard (1...1_000_000).contains(limit) else { throw ValidationError("--limit is a number from 1 on") }
    }

    func run() async throws {
        let path = "/v1/config/history?limit=\(limit)"
        let (reply, text) = try await options.group(.get, path, as: HistoryReply.self)
        if json { return Output.line(text) }
        for entry in reply.history {
            Output.line(
                "\(entry.revision)  \(entry.time?.description ?? "-")  \(entry.by): \(entry.what)"
                    + (entry.inForce ? "" : "  (superseded)"))
        }
    }
}

struct ConfigRollbackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback",
        abstract: "Make all tunnels what they were at a revision.",
        discussion: """
            Members are not touched: who was removed stays out. This is a change like others, and can be undone by another.

              dxgateway config history
              dxgateway config rollback 17
            """)

    @Argument(help: "The revision, as config history shows it.")
    var revision: UInt64

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() async throws {
        let body = RollbackRequest(revision: revision)
        let (reply, text) = try await options.group(.post, "/v1/config/rollback", body, as: ChangeReply.self)
        Output.change(reply, json ? text : nil)
    }
}

struct ConfigConfirmCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "confirm",
        abstract: "Keep a change that was made with --confirm: of one tunnel, or all.",
        discussion: "  dxgateway config confirm web")

    @Argument(help: "The tunnel's name.", completion: .tunnels)
    var tunnel: String?

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() async throws {
        let body = ConfirmRequest(tunnel: tunnel)
        let (reply, text) = try await options.group(.post, "/v1/config/confirm", body, as: ChangeReply.self)
        Output.change(reply, json ? text : nil)
    }
}

struct ConfigCheckpointCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint",
        abstract: "Have all members forget what is not in force any more; takes the root key.",
        discussion: """
            Tombstones and history go. What an admin that is cut off from the others says meanwhile may be lost with them: make
            checkpoints when all admins are there.

              dxgateway config checkpoint
            """)

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() async throws {
        let (reply, text) = try await options.group(.post, "/v1/config/checkpoint", as: ChangeReply.self)
        Output.change(reply, json ? text : nil)
    }
}

extension Output {
    /// A change, as JSON if that is given, else in words.
    static func change(_ reply: ChangeReply, _ json: String?) {
        if let json { return line(json) }
        for sentence in reply.changed { line(sentence) }
        line("revision \(reply.revision)")
    }
}
