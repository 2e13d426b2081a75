import ArgumentParser
import DXControl
import DXTunnel

struct InviteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "invite",
        abstract: "Print a token that lets one gateway join the group.",
        discussion: """
            The token is a secret until it was used: whoever has it can join, once.

              dxgateway invite --name edge-1
              dxgateway invite --at hq-2
              dxgateway invite --label kind=plc --count 500 --ttl 30d > tokens.txt
              dxgateway invite list
              dxgateway invite revoke 0f3c2a9be41d7755
            """,
        subcommands: [
            InviteMakeCommand.self, InviteListCommand.self, InviteRevokeCommand.self,
        ],
        defaultSubcommand: InviteMakeCommand.self)
}

/// Whose invitations are meant.
struct InviteAdminOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The admin whose invitations are meant, if not the gateway that is asked: one that gateways which join can reach.",
            valueName: "member"))
    var at: String?

    /// A path of the control API that says so.
    func path(_ path: String) -> String { path + (at.map { "?at=" + ControlOptions.escaped($0) } ?? "") }
}

struct InviteMakeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new", abstract: "Print a token (what invite does by itself).")

    @Option(help: "What the member will be called; else what the gateway that joins says.")
    var name: String?

    @Option(help: ArgumentHelp("A property that tunnels can choose members by; any number.", valueName: "key=value"))
    var label: [String] = []

    @Option(help: ArgumentHelp("member, forwarder or admin.", valueName: "role"))
    var role = "member"

    @Option(help: ArgumentHelp("For how long it can be used, as 30m, 24h or 7d.", valueName: "time"))
    var ttl = "24h"

    @Option(help: ArgumentHelp("How many tokens, one on each line.", valueName: "number"))
    var count = 1

    @Option(help: ArgumentHelp("The only gateway that may use it.", valueName: "gateway id"))
    var gateway: String?

    @OptionGroup var admin: InviteAdminOptions

    @Flag(help: "Draw the token as a QR code, for a device with a camera or a phone.")
    var qr = false

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func validate() throws {
        guard !(qr && json) else { throw ValidationError("--qr draws for people and --json is for programs: give one") }
        guard Self.seconds(ttl) != nil else { throw ValidationError("--ttl is a number and s, m, h or d, as in 24h") }
    }

    /// The seconds of a number with a unit.
    static func seconds(_ text: String) -> Int? {
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
        guard let last = text.last, let unit = units[last], let number = Int(text.dropLast()), number > 0,
            number < 1_000_000
        else { return nil }
        return number * unit
    }

    func run() async throws {
        let request = InviteRequest(
            name: name, labels: label.isEmpty ? nil : label, role: role, ttlSeconds: Self.seconds(ttl), count: count,
            gateway: gateway, at: admin.at)
        let (reply, text) = try await options.group(.post, "/v1/invites", request, as: InvitationsReply.self)
        if json { return Output.line(text) }
        Self.show(reply.invitations, qr: qr)
    }

    /// Prints tokens, and what to do with them.
    static func show(_ invitations: [Invitation], qr: Bool) {
        for invitation in invitations {
            let token = invitation.token ?? ""
            if qr, let code = QRCode(token) { Output.line(code.terminalText) }
            Output.line(token)
        }
        if let leftOut = invitations.first?.leftOut {
            Output.error(
                "warning: there is no room in a token for the matchmakers \(leftOut.joined(separator: ", "));"
                    + " a gateway that joins does not ask them")
        }
        Output.error("valid until \(invitations.first?.expires.description ?? ""), for one gateway each; there:")
        Output.error("  dxgateway join TOKEN")
    }
}

struct InviteListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show the invitations of this gateway, or of another admin.",
        discussion: """
              dxgateway invite list --json
              dxgateway invite list --at hq-2
            """)

    @OptionGroup var admin: InviteAdminOptions

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() async throws {
        let (reply, text) = try await options.group(.get, admin.path("/v1/invites"), as: InvitationsReply.self)
        if json { return Output.line(text) }
        for invitation in reply.invitations {
            let state = invitation.usedBy.map { "used by \($0)" } ?? "open until \(invitation.expires)"
            Output.line("\(invitation.id)  \(invitation.name ?? "-")  \(state)")
        }
    }
}

struct InviteRevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Take an invitation back, or all.",
        discussion: """
              dxgateway invite revoke 0f3c2a9be41d7755
              dxgateway invite revoke --all
            """)

    @Argument(help: "Its id, as invite list shows it.")
    var id: String?

    @OptionGroup var admin: InviteAdminOptions

    @Flag(help: "All that there are.")
    var all = false

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func validate() throws {
        guard (id != nil) != all else { throw ValidationError("give an id, or --all") }
    }

    func run() async throws {
        let path = admin.path("/v1/invites" + (id.map { "/" + ControlOptions.escaped($0) } ?? ""))
        let (reply, text) = try await options.group(.delete, path, as: RevokedReply.self)
        Output.line(json ? text : "revoked \(reply.revoked)")
    }
}
