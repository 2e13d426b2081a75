import ArgumentParser
import DXTunnel
import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle
import UnixSignals

/// A web service that opens no TCP port: it can be reached through the micro-tunnel `web` of its own gateway, and in no other way.
///
///     ServeExample --key gateway.key --veil group.key --peer <id of edge-1> --listen :7700
///
/// The other end is any gateway that has the same tunnel with this program's gateway as destination: `dxgateway`, whose users open
/// its port with a browser, or `DialExample`.
@main
struct ServeExample: AsyncParsableCommand {
    @Option(help: "This gateway's key, as dxgateway keygen writes it.")
    var key: String

    @Option(help: "The group's veil, as dxgateway keygen --veil writes it.")
    var veil: String

    @Option(help: "The id of the gateway that may come, as dxgateway keygen prints it.")
    var peer: String

    @Option(help: "The UDP address of this gateway.")
    var listen = ":7700"

    func run() async throws {
        let logger = Logger(label: "serve")

        // What this service does, as with any server.
        let router = Router()
        router.get("/hello") { _, _ in "Hello from behind the tunnel\n" }
        router.get("/slow") { _, _ in
            let body = ResponseBody { writer in
                for line in 1...20 {
                    try await writer.write(ByteBuffer(string: "\(line)\n"))
                    try await Task.sleep(for: .milliseconds(250))
                }
                try await writer.finish(nil)
            }
            return Response(status: .ok, body: body)
        }
        router.post("/length") { request, _ in
            let body = try await request.body.collect(upTo: 16 << 20)
            return "\(body.readableBytes)\n"
        }

        guard let id = GatewayID(text: peer) else { throw ValidationError("--peer is not the id of a gateway") }
        // docs:configure
        let tunnel = GatewayConfiguration.Tunnel(
            name: "web",
            // Where applications connect is the other gateway's business.
            origins: [.init(gateway: "edge-1", listen: nil)],
            // No target: the connections come out here, in this program.
            destinations: [.init(gateway: "cloud-1", target: nil)])
        let configuration = try GatewayConfiguration(
            name: "cloud-1", identity: .file(path: key), veils: [.file(path: veil)], listen: HostAddress(listen),
            peers: [.init(name: "edge-1", id: id)], tunnels: [tunnel])
        let gateway = try Gateway(configuration: configuration, logger: logger)
        // docs:end

        // docs:serve
        let server = try await TunnelHTTPServer(router: router, tunnel: "web", of: gateway, logger: logger)
        let services = ServiceGroup(
            services: [gateway, server], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        try await services.run()
        // docs:end
    }
}
