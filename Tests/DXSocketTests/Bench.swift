import CTestSupport
import DXSocket
import DXWire
import NIOCore
import NIOPosix

/// What a test does on its event loop: the endpoints it makes are closed at the end.
final class Bench {
    let eventLoop: any EventLoop
    private var endpoints: [TestEndpoint] = []

    init(on eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    /// An endpoint listening at `text`, with a new recorder.
    func listen(
        _ text: String, _ configuration: SocketConfiguration = SocketConfiguration()
    ) throws -> (endpoint: TestEndpoint, recorder: Recorder) {
        let recorder = Recorder()
        let endpoint = try TestEndpoint(
            listen: try ListenAddress(text: text), configuration: configuration, on: eventLoop, handler: recorder)
        endpoints.append(endpoint)
        return (endpoint, recorder)
    }

    /// Closes all endpoints.
    func close() -> EventLoopFuture<Void> {
        EventLoopFuture.andAllComplete(endpoints.map { $0.close() }, on: eventLoop)
    }
}

/// Network namespaces for tests: nothing sent there leaves the machine.
enum PrivateNetwork {
    /// Whether this process may make one.
    static let isAvailable: Bool = {
        // A thread that enters one can not come back, so a thread of its own tries.
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let result = try? group.next().submit { dx_enter_private_network(65_536) }.wait()
        try? group.syncShutdownGracefully()
        return result == 0
    }()

    struct Failure: Error {
        var code: Int32
    }
}

/// Runs `body` on an event loop of its own, waits for its future, closes what it opened. With `inPrivateNetwork`, that
/// loop's thread is in a new network namespace, with a loopback of that MTU and nothing else.
func onLoop<Value: Sendable>(
    inPrivateNetwork mtu: Int32? = nil, _ body: @escaping @Sendable (Bench) throws -> EventLoopFuture<Value>
) async throws -> Value {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let eventLoop = group.next()
    let outcome: Result<Value, any Error>
    do {
        let value = try await eventLoop.flatSubmit { () -> EventLoopFuture<Value> in
            if let mtu {
                let code = dx_enter_private_network(mtu)
                guard code == 0 else { return eventLoop.makeFailedFuture(PrivateNetwork.Failure(code: code)) }
            }
            let bench = Bench(on: eventLoop)
            let bound = NIOLoopBound(bench, eventLoop: eventLoop)
            return eventLoop.makeCompletedFuture { try body(bench) }.flatMap { $0 }
                .flatMap { value in bound.value.close().map { value } }
                .flatMapError { error in bound.value.close().flatMapThrowing { throw error } }
        }.get()
        outcome = .success(value)
    } catch {
        outcome = .failure(error)
    }
    try await group.shutdownGracefully()
    return try outcome.get()
}
