import ArgumentParser
import DXControl
import DXTunnel

struct MemberCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "member", abstract: "Show and remove members of the group.",
        subcommands: [MemberListCommand.self, MemberRemoveCommand.self])
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
        for member in reply.members {
            let state = member.thisGateway ? "this gateway" : member.connected ? "connected here" : "not connected here"
            let notes = [state] + (member.admin ? ["admin"] : []) + member.labels
            Output.line("\(member.name)  \(member.gateway.prefix(12))  \(notes.joined(separator: ", "))")
        }
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

    @Argument(help: "Its name, or the first 8 or more characters of its gateway id.")
    var name: String

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() async throws {
        let path = "/v1/members/" + ControlOptions.escaped(name)
        let (reply, text) = try await options.group(.delete, path, as: ChangeReply.self)
        Output.line(json ? text : "removed \(name), revision \(reply.revision)")
    }
}
