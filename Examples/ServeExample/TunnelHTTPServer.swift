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
    private let gateway: Gateway
    private let connections: AsyncStream<HTTP1Channel.Value>
    private let arriving: AsyncStream<HTTP1Channel.Value>.Continuation
    private let open = OpenChannels()
    private let logger: Logger

    // docs:accept
    /// Takes the connections of `tunnel` from now on; they are answered once `run` is called.
    init(
        router: Router<BasicRequestContext>, tunnel: String, of gateway: Gateway, logger: Logger
    ) async throws {
        let http = HTTP1Channel(responder: Self.respond(with: router.buildResponder(), logger: logger))
        let (connections, arriving) = AsyncStream.makeStream(of: HTTP1Channel.Value.self)
        (self.http, self.gateway, self.logger) = (http, gateway, logger)
        (self.connections, self.arriving) = (connections, arriving)
        try await gateway.serveChannels(tunnel) { [open] channel in
            open.add(channel)
            // A client that has sent its request may end its half and still get the response.
            return channel.setOption(.allowRemoteHalfClosure, value: true)
                .flatMap { http.setup(channel: channel, logger: logger) }
                .map { connection in
                    // Nobody takes it any more, and an async channel must not just be let go.
                    guard case .terminated = arriving.yield(connection) else { return }
                    Task { try? await connection.executeThenClose { _, _ in } }
                }
        }
    }

    /// Answers until the service group shuts down: then takes no more, and answers what it has.
    func run() async throws {
        await withDiscardingTaskGroup { group in
            group.addTask { await answer() }
            try? await gracefulShutdown()
            _ = try? await gateway.setDraining(true)
            arriving.finish()
            // Hummingbird closes each after the response that it is at, at once if it is at none.
            open.quiesce()
        }
        // What is written is still on its way; the gateway runs until this returns.
        _ = try? await gateway.drain()
    }

    private func answer() async {
        await withDiscardingTaskGroup { group in
            for await connection in connections {
                group.addTask { await http.handle(value: connection, logger: logger) }
            }
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
