import ArgumentParser
import DXControl
import DXTunnel

struct PeersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "peers",
        abstract: "Show the peers of a running gateway, or all that is known of one.",
        discussion: """
            On a terminal the table is as wide as that, and columns are left out where there is no room; into a pipe goes all of
            it. LOST is the part of the packets of the path in use that was found lost. --json prints the peers as they stand in
            the status.

              dxgateway peers
              dxgateway peers edge-1
              dxgateway peers --json | jq -r '.peers[] | select(.state != "connected") | .name'
            """)

    @Argument(help: "A peer's name, or the first 8 or more characters of its gateway id.", completion: .peers)
    var peer: String?

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() async throws {
        let (status, _) = try await options.status()
        guard let peer else {
            if json { return try Output.json(PeersReply(peers: status.peers)) }
            return Output.line("\(PeersReport(status, terminal: .output))")
        }
        guard let found = PeersReport.peer(peer, in: status), let text = PeersReport.detail(of: peer, in: status) else {
            throw CommandFailure(.failed, "there is no peer \(peer); dxgateway peers lists them")
        }
        if json { try Output.json(PeersReply(peers: [found])) } else { Output.line(text) }
    }
}
