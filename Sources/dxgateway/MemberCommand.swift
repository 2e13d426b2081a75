import ArgumentParser
import DXControl
import DXTunnel

struct MemberCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "member",
        abstract: "Show and change members of the group.",
        discussion: """
              dxgateway member list
              dxgateway member label edge-1 site=north
              dxgateway member replace edge-1
            """,
        subcommands: [
            MemberListCommand.self, MemberLabelCommand.self, MemberRenameCommand.self, MemberRoleCommand.self,
            MemberReplaceCommand.self, MemberRemoveCommand.self,
        ])
}

struct MemberListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show the members of the group.", discussion: "  dxgateway member list --json")

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() async throws {
        let (reply, text) = try await options.group(.get, "/v1/members", as: MembersReply.self)
        if json { return Output.line(text) }
        let width = reply.members.map(\.name.count).max() ?? 0
        for member in reply.members {
            let padding = String(repeating: " ", count: width - member.name.count)
            Output.line("\(member.name)\(padding)  \(member.gateway.prefix(12))  \(Self.notes(member))")
        }
    }

    private static func notes(_ member: GroupMember) -> String {
        let presence = member.presence
        var notes: [String] = []
        if member.thisGateway {
            notes.append("this gateway")
        } else if presence.online {
            notes.append("online")
            if let path = presence.path { notes.append(path.rawValue) }
            if let hops = presence.hops, hops > 1 { notes.append("\(hops) channels away") }
        } else {
            notes.append(presence.lastSeen.map { "last seen \($0)" } ?? "not seen")
        }
        if let version = presence.version { notes.append(version) }
        if member.role != "member" { notes.append(member.role) }
        notes += member.labels
        if !presence.twiceAt.isEmpty {
            notes.append("RUNS TWICE with one key, as \(presence.twiceAt.joined(separator: ", ")) says: see its status")
        }
        return notes.joined(separator: ", ")
    }
}

/// What the verbs that change one member have in common.
struct MemberOptions: ParsableArguments {
    @Argument(help: "Its name, or the first 8 or more characters of its gateway id.", completion: .members)
    var name: String

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    var path: String { "/v1/members/" + ControlOptions.escaped(name) }

    func change(_ change: MemberChange, done: String) async throws {
        let (reply, text) = try await options.group(.patch, path, change, as: ChangeReply.self)
        Output.line(json ? text : "\(done), revision \(reply.revision)")
    }

    /// Says who may not have heard of it that somebody is out.
    static func warn(_ reply: ChangeReply) {
        guard !reply.notAcknowledged.isEmpty else { return }
        Output.error(
            "not acknowledged yet by \(reply.notAcknowledged.joined(separator: ", ")): those that are off learn of it when they"
                + " come back; dxgateway member list shows who is there")
    }
}

struct MemberLabelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "label",
        abstract: "Give a member properties that tunnels choose members by, or take them away.",
        discussion: """
              dxgateway member label edge-1 site=north kind=plc
              dxgateway member label edge-1 --remove site
            """)

    @OptionGroup var member: MemberOptions

    @Argument(help: ArgumentHelp("Takes the place of what it has of that key.", valueName: "key=value"))
    var labels: [String] = []

    @Option(help: ArgumentHelp("The key of a label that goes; any number.", valueName: "key"))
    var remove: [String] = []

    func validate() throws {
        guard !labels.isEmpty || !remove.isEmpty else { throw ValidationError("give key=value, or --remove key") }
    }

    func run() async throws {
        let change = MemberChange(
            labels: labels.isEmpty ? nil : labels, removeLabels: remove.isEmpty ? nil : remove)
        try await member.change(change, done: "labelled \(member.name)")
    }
}

struct MemberRenameCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rename", abstract: "Give a member another name; its tunnels stay.",
        discussion: "  dxgateway member rename edge-1 mill-3")

    @OptionGroup var member: MemberOptions

    @Argument(help: "The new name.")
    var newName: String

    func run() async throws {
        try await member.change(MemberChange(name: newName), done: "\(member.name) is \(newName) now")
    }
}

struct MemberRoleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "role",
        abstract: "Say what a member may do.",
        discussion: """
            To make an admin, or one no longer an admin, the root key must lie in the state directory of the gateway that
            is asked. A key that was an admin's and is not any more never is one again.

              dxgateway member role edge-1 admin
            """)

    @OptionGroup var member: MemberOptions

    @Argument(help: "member, forwarder or admin.")
    var role: String

    func run() async throws {
        try await member.change(MemberChange(role: role), done: "\(member.name) is \(role) now")
    }
}

struct MemberReplaceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replace",
        abstract: "Print a token for a member's new hardware: it gets the name, labels, role and tunnels.",
        discussion: """
            The old hardware goes on until the new one has joined, and is out then, key and all. One that was lost or stolen
            is cut off at once with --cut.

              dxgateway member replace edge-1
              dxgateway member replace edge-1 --cut
            """)

    @OptionGroup var member: MemberOptions

    @Flag(help: "Cut the old hardware off now.")
    var cut = false

    @Option(help: ArgumentHelp("For how long the token can be used, as 30m, 24h or 7d.", valueName: "time"))
    var ttl = "24h"

    @Option(help: ArgumentHelp("The only gateway that may use it.", valueName: "gateway id"))
    var gateway: String?

    @Flag(help: "Draw the token as a QR code.")
    var qr = false

    func validate() throws {
        guard InviteMakeCommand.seconds(ttl) != nil else {
            throw ValidationError("--ttl is a number and s, m, h or d, as in 24h")
        }
    }

    func run() async throws {
        if cut {
            let (reply, _) = try await member.options.group(.post, member.path + "/cut", as: ChangeReply.self)
            MemberOptions.warn(reply)
        }
        let request = InviteRequest(
            ttlSeconds: InviteMakeCommand.seconds(ttl), gateway: gateway, replaces: member.name)
        let (reply, text) = try await member.options.group(.post, "/v1/invites", request, as: InvitationsReply.self)
        if member.json { return Output.line(text) }
        InviteMakeCommand.show(reply.invitations, qr: qr)
    }
}

struct MemberRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Take a member out of the group, at once and for good.",
        discussion: """
            Every member that can be reached cuts it off within seconds, and the group gets a new secret that it does not
            learn. To have it back, invite it again.

              dxgateway member remove edge-1
            """)

    @Argument(help: "Its name, or the first 8 or more characters of its gateway id.", completion: .members)
    var name: String

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() async throws {
        let path = "/v1/members/" + ControlOptions.escaped(name)
        let (reply, text) = try await options.group(.delete, path, as: ChangeReply.self)
        if json { return Output.line(text) }
        Output.line("removed \(name), revision \(reply.revision)")
        MemberOptions.warn(reply)
    }
}
