import DXTunnel
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import ServiceLifecycle

/// Hummingbird's HTTP server over the connections of a tunnel, where `Application` would listen at a TCP port.
///
/// Hummingbird makes the pipeline of a connection, parses requests, and writes responses (`HTTP1Channel`); the tunnel is what brings
/// connections. There are never more than the tunnel's `maximumConnections`.
struct TunnelHTTPServer: Service {
    private let http: HTTP1Channel
    private let connections: AsyncStream<HTTP1Channel.Value>
    private let logger: Logger

    // docs:accept
    /// Takes the connections of `tunnel` from now on; they are answered once `run` is called.
    init(
        router: Router<BasicRequestContext>, tunnel: String, of gateway: Gateway, logger: Logger
    ) async throws {
        let http = HTTP1Channel(responder: Self.respond(with: router.buildResponder(), logger: logger))
        let (connections, arriving) = AsyncStream.makeStream(of: HTTP1Channel.Value.self)
        (self.http, self.connections, self.logger) = (http, connections, logger)
        try await gateway.serveChannels(tunnel) { channel in
            // A client that has sent its request may end its half and still get the response.
            channel.setOption(.allowRemoteHalfClosure, value: true)
                .flatMap { http.setup(channel: channel, logger: logger) }
                .map { _ = arriving.yield($0) }
        }
    }

    /// Answers, until the service group shuts down.
    func run() async throws {
        await withDiscardingTaskGroup { group in
            for await connection in connections.cancelOnGracefulShutdown() {
                group.addTask { await http.handle(value: connection, logger: logger) }
            }
            group.cancelAll()
        }
    }
    // docs:end

    /// What Hummingbird's `Application` does with a request: asks the router, and writes what it says.
    private static func respond<Responder: HTTPResponder>(
        with responder: Responder, logger: Logger
    ) -> HTTP1Channel.Responder where Responder.Context == BasicRequestContext {
        { request, writer, channel in
            let context = BasicRequestContext(
                source: ApplicationRequestContextSource(channel: channel, logger: logger))
            let response: Response
            do { response = try await responder.respond(to: request, context: context) } catch {
                logger.error("request failed", metadata: ["error": "\(error)"])
                response = Response(status: .internalServerError)
            }
            try await writer.write(response: response.head, body: response.body)
        }
    }
}
