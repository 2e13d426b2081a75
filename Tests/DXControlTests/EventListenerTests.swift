import DXTestFiles
import Hummingbird
import Logging
import NIOCore
import NIOPosix
import Testing

@testable import DXControl
@testable import DXTunnel

/// Listeners to events over a real control socket.
@Suite struct EventListenerTests {
    /// Events without a gateway.
    private struct Hub: EventControl {
        let hub = EventHub(run: 1)

        func events(after id: String?) throws(GatewayError) -> EventSubscription {
            guard let (number, items) = hub.subscribe(after: 0) else {
                throw .tooManyListeners(EventHub.mostListeners)
            }
            return EventSubscription(hub: hub, id: number, items: items, start: EventCursor(run: hub.run, after: id))
        }

        func recentEvents(after id: String?) -> [GatewayEventRecord] { [] }
    }

    /// One that hangs up is noticed at once, not with the next sign of life, which here comes never.
    @Test func whoHangsUpGivesItsPlaceUp() async throws {
        let directory = TemporaryDirectory()
        let path = directory.file("control.sock")
        let events = Hub()
        let (listening, isListening) = AsyncStream<Void>.makeStream()
        let server = ControlServer(
            path: path, logger: Logger(label: "test"), onListening: { isListening.finish() }
        ) {
            let router = Router()
            EventRoutes(events: events, heartbeat: .seconds(1_000_000)).add(to: router)
            return router
        }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try? await server.run() }
            for await _ in listening {}
            for _ in 0..<3 {
                var clients: [any Channel] = []
                for _ in 0..<EventHub.mostListeners {
                    let client = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                        .connect(unixDomainSocketPath: path).get()
                    try await client.writeAndFlush(
                        ByteBuffer(string: "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"))
                    clients.append(client)
                }
                while events.hub.listenerCount < EventHub.mostListeners { try await Task.sleep(for: .milliseconds(2)) }
                for client in clients { try await client.close() }
                while events.hub.listenerCount > 0 { try await Task.sleep(for: .milliseconds(2)) }
            }
            tasks.cancelAll()
        }
    }
}
