import ArgumentParser
import DXControl

struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say how a peer is reached, or why it is not, and the one smallest change that would help.",
        discussion: """
            Shows every way that was tried in the last introduction by a matchmaker, what both networks do, and which way is in
            use. Asked at the other gateway too, it shows the other half.

              dxgateway explain edge-1
              dxgateway explain edge-1 --json
            """)

    @Argument(help: "The peer's name, or the first 8 or more characters of its gateway id.", completion: .peers)
    var peer: String

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() async throws {
        let client = try options.client()
        do throws(ControlClientError) {
            let (explanation, text) = try await ProgressLine.during("asking how \(peer) is reached") {
                () async throws(ControlClientError) in try await client.explain(ControlOptions.escaped(peer))
            }
            Output.line(json ? text : "\(PeerExplanationText(explanation))")
        } catch { throw CommandFailure(error) }
    }
}
