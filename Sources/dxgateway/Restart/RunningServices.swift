import DXTunnel
import Logging
import ServiceLifecycle
import Synchronization

/// The services of the program while it runs: the gateway, and beside it what people and other programs ask it by.
final class RunningServices: Sendable {
    private struct State {
        var all: ServiceGroup?
        var beside: ServiceGroup?
        /// Another start took over and was lost: nothing is of use any more.
        var isLost = false
    }

    private let state = Mutex(State())

    /// They are these.
    func set(all: ServiceGroup, beside: ServiceGroup) {
        state.withLock { state in
            state.all = all
            state.beside = beside
        }
    }

    /// Whether the gateway was lost while it was restarted.
    var isLost: Bool { state.withLock { $0.isLost } }

    /// Another start serves: this one has its open connections, for so long, and then ends.
    func succeeded(_ gateway: Gateway, drain: Duration, logger: Logger) async {
        let (all, beside) = state.withLock { ($0.all, $0.beside) }
        // What was asked is still answered, and connections by the control socket go on like all others.
        await beside?.triggerGracefulShutdown()
        Task {
            if let left = try? await gateway.drain(timeout: drain), left > 0 {
                logger.notice("connections are still open: they end", metadata: ["count": "\(left)"])
            }
            await all?.triggerGracefulShutdown()
        }
    }

    /// Neither another start serves nor this one can.
    func lost() async {
        let all = state.withLock { state in
            state.isLost = true
            return state.all
        }
        await all?.triggerGracefulShutdown()
    }
}
