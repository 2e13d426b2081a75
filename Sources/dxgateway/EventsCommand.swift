import ArgumentParser
import DXControl
import DXTunnel

struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "Show what happened to the gateway, and what happens.",
        discussion: """
            Peers that come and go, paths, the health of tunnels, changes of the configuration, refused connections (counted),
            warnings: the last 256 since its start, then, with --follow, what happens, until it stops.

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
        do {
            try await client.events(follow: follow, after: after) { record, text in
                Output.line(json ? text : EventText(record).description)
            }
        } catch let error as ControlClientError { throw CommandFailure(error) }
    }
}
