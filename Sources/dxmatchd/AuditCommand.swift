import ArgumentParser
import DXControl
import DXMatch

struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Print everything that the running matchmaker holds of a group tag.",
        discussion: """
            A group tag is what a group is called at this matchmaker in one epoch; its members can compute it, nobody
            else can. Two things are not printed: the key of a registration's notices, which is the member's secret,
            and times at which rates were last used.

              dxmatchd audit 0f3c7a1e9b5d40826c1fd2e37a84b951
            """)

    @Argument(help: ArgumentHelp("The group tag, 32 hexadecimal digits.", valueName: "tag"))
    var tag: String

    @OptionGroup var options: StateOption

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        guard GroupTag(text: tag) != nil else {
            throw ValidationError("\"\(tag)\" is no group tag: 32 hexadecimal digits are wanted")
        }
    }

    func run() async throws {
        let reply: MatchAuditReply
        let text: String
        do throws(ControlClientError) {
            (reply, text) = try await ControlClient(path: options.socket).group(
                .get, "/v1/audit/\(tag)", as: MatchAuditReply.self)
        } catch {
            if case .notRunning(let path, let reason) = error {
                throw CommandFailure(
                    .notRunning,
                    "no matchmaker is running at \(path) (\(reason)); start one with dxmatchd run, or name its --state")
            }
            throw CommandFailure(error)
        }
        guard !json else { return Output.line(text) }
        Output.line("group \(reply.groupTag): \(reply.registrations.count) registrations")
        for entry in reply.registrations {
            Output.line(
                """
                member \(entry.memberTag)
                  address \(entry.address), instance \(entry.instance), socket \(entry.socket)
                  match key hash \(entry.matchKey), handle \(entry.handle)
                  revision \(entry.revision), last request \(entry.lastSequence), last refresh \(entry.lastCount), \
                last notice \(entry.lastNotice)
                  lifetime \(entry.lifetimeSeconds) s, \(Int(entry.remainingSeconds)) s left
                  blob \(entry.blob)
                """)
        }
    }
}
