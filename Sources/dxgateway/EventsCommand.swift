import ArgumentParser
import DXControl
import DXTunnel

struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "Show what happened to the gateway, and what happens.",
        discussion: """
            Peers that come and go, paths, the health of tunnels, changes of the configuration, refused connections (counted),
            warnings: the last 256 since its start, then, with --follow, what happens, until it stops or nobody reads any more.
            Ends with 3 when the gateway ended without a word.

              dxgateway events
              dxgateway events --follow
              dxgateway events --follow --json | jq .event
            """)

    @Flag(help: "Go on with what happens.")
    var follow = false

    @Option(help: ArgumentHelp("Only what comes after the event of this id.", valueName: "id"))
    var after: String?

    @Flag(help: "Print JSON, an event a line.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() async throws {
        let client = try options.client()
        try await withThrowingTaskGroup(of: Void.self) { [follow, after, json] tasks in
            tasks.addTask {
                do {
                    try await client.events(follow: follow, after: after) { record, text in
                        guard Output.lineIfRead(json ? text : EventText(record).description) else {
                            throw NobodyReads()
                        }
                    }
                } catch is NobodyReads {} catch let error as ControlClientError { throw CommandFailure(error) }
            }
            // Else it would be noticed with the next event, which may be tomorrow's.
            tasks.addTask { while Output.isRead { try await Task.sleep(for: Self.look) } }
            defer { tasks.cancelAll() }
            try await tasks.next()
        }
    }

    /// How often it is looked whether anybody reads.
    private static let look = Duration.seconds(1)

    /// `dxgateway events --follow | grep -m1 …` has what it wanted.
    private struct NobodyReads: Error {}
}
