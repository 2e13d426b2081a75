import Logging
import NIOConcurrencyHelpers
import Testing

@testable import DXTunnel

/// One gateway that can be stopped and started again on the same port with the same identity.
final class GatewayRunner: Sendable {
    private struct State {
        var configuration: GatewayConfiguration
        var gateway: Gateway?
        var task: Task<Void, any Error>?
    }

    private let state: NIOLockedValueBox<State>
    private let tuning: GatewayTuning

    init(_ configuration: GatewayConfiguration, tuning: GatewayTuning = GatewayTuning()) {
        state = NIOLockedValueBox(State(configuration: configuration))
        self.tuning = tuning
    }

    /// The gateway that runs, or ran last.
    var gateway: Gateway {
        guard let gateway = state.withLockedValue({ $0.gateway }) else { preconditionFailure("it was started") }
        return gateway
    }

    /// Its UDP address.
    var address: HostAddress { state.withLockedValue { $0.configuration.listen } }

    func change(_ body: (inout GatewayConfiguration) -> Void) {
        state.withLockedValue { body(&$0.configuration) }
    }

    /// Starts it and waits until it runs; from then on it has a certain UDP port. Throws what `run`
    /// threw.
    ///
    /// - Parameter serve: acceptors that are there before it runs, by tunnel.
    func start(
        serve: [String: @Sendable (TunnelStream) -> Void] = [:], inheriting inheritance: Inheritance? = nil
    ) async throws {
        let gateway = try Gateway(
            configuration: state.withLockedValue { $0.configuration }, logger: Self.logger, tuning: tuning)
        if let inheritance { try gateway.inherit(inheritance) }
        for (name, acceptor) in serve { try await gateway.serve(name, accept: acceptor) }
        let failure = NIOLockedValueBox<(any Error)?>(nil)
        let task = Task {
            do { try await gateway.run() } catch {
                failure.withLockedValue { $0 = error }
                throw error
            }
        }
        state.withLockedValue {
            $0.gateway = gateway
            $0.task = task
        }
        let listen = try await Polling.wait(for: "a gateway to start") {
            if let failure = failure.withLockedValue({ $0 }) { throw failure }
            return try? await gateway.status().listen.first
        }
        let address = try HostAddress(listen)
        state.withLockedValue { $0.configuration.listen = address }
    }

    /// A start of the gateway that another has taken over from.
    struct Predecessor {
        let gateway: Gateway
        let task: Task<Void, any Error>

        /// Waits until its connections have ended, then has it end.
        func drain() async throws {
            #expect(try await gateway.drain(timeout: .seconds(600)) == 0)
            task.cancel()
            try await task.value
        }
    }

    /// Has another start take over from the one that runs, which goes on with its connections.
    func succeed() async throws -> Predecessor {
        let (gateway, task) = state.withLockedValue { ($0.gateway, $0.task) }
        let old = Predecessor(gateway: try #require(gateway), task: try #require(task))
        let inheritance = try #require(Inheritance(try await old.gateway.bequeath()))
        try await start(inheriting: inheritance)
        return old
    }

    /// Stops it in good order; throws what `run` threw.
    func stop() async throws {
        let task = state.withLockedValue { state in
            defer { state.task = nil }
            return state.task
        }
        task?.cancel()
        try await task?.value
    }

    private static let logger: Logger = {
        var logger = Logger(label: "test")
        logger.logLevel = ProcessEnvironment.has("DX_TEST_LOG") ? .trace : .critical
        return logger
    }()
}
