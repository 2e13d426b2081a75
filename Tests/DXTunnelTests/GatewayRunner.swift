import Logging
import NIOConcurrencyHelpers

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
    func start(serve: [String: @Sendable (TunnelStream) -> Void] = [:]) async throws {
        let gateway = try Gateway(
            configuration: state.withLockedValue { $0.configuration }, logger: Self.logger, tuning: tuning)
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
