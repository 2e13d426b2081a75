import ArgumentParser
import DXTunnel
import Logging
import NIOCore

/// A program that fetches a page through the micro-tunnel `web` of its own gateway: no TCP port is opened, here or on the way.
///
///     DialExample --key gateway.key --veil group.key --peer <id of cloud-1> --address cloud.example:7700 --path /hello
///
/// Prints the body. `ServeExample` answers, or any web server that is the target of the tunnel at a `dxgateway`.
@main
struct DialExample: AsyncParsableCommand {
    @Option(help: "This gateway's key, as dxgateway keygen writes it.")
    var key: String

    @Option(help: "The group's veil, as dxgateway keygen --veil writes it.")
    var veil: String

    @Option(help: "The id of the destination's gateway, as dxgateway keygen prints it.")
    var peer: String

    @Option(help: "The UDP address of the destination's gateway.")
    var address: String

    @Option(help: "What is fetched.")
    var path = "/hello"

    func run() async throws {
        var logger = Logger(label: "dial", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = .notice

        guard let id = GatewayID(text: peer) else { throw ValidationError("--peer is not the id of a gateway") }

        let tunnel = GatewayConfiguration.Tunnel(
            name: "web",
            // No address to listen at: the connections come from this program.
            origins: [.init(gateway: "edge-1", listen: nil)],
            // What a connection leads to is the other gateway's business.
            destinations: [.init(gateway: "cloud-1", target: nil)])
        let configuration = try GatewayConfiguration(
            name: "edge-1", identity: .file(path: key), veils: [.file(path: veil)],
            peers: [.init(name: "cloud-1", id: id, addresses: [HostAddress(address)])],
            tunnels: [tunnel])
        // docs:run
        let gateway = try Gateway(configuration: configuration, logger: logger)
        try await withThrowingTaskGroup { group in
            group.addTask { try await gateway.run() }
            group.addTask {
                try await waitUntilActive("web", of: gateway)
                let response = try await HTTPOverTunnel.get(path, through: "web", of: gateway)
                print(response.body, terminator: "")
            }
            // Whichever ends first: a gateway that does not start says why.
            try await group.next()
            // The gateway says goodbye to its peer, and ends.
            group.cancelAll()
        }
        // docs:end
    }

    // docs:wait
    /// The gateway calls its peer when it starts; the tunnel is there when that has answered.
    private func waitUntilActive(_ tunnel: String, of gateway: Gateway) async throws {
        for _ in 0..<600 {
            if let status = try? await gateway.status(),
                status.tunnels.contains(where: { $0.name == tunnel && $0.state == .active })
            {
                return
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw ValidationError("the other gateway does not answer")
    }
    // docs:end
}
