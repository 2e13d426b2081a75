import NIOConcurrencyHelpers
import NIOCore

/// The way onto the gateway's event loop for other threads, until the loop ends: from then on nothing is handed over, where
/// NIO would lose it, and with it whoever waits.
final class LoopGate: Sendable {
    let eventLoop: any EventLoop
    private let isOpen = NIOLockedValueBox(true)

    /// An open gate.
    init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    /// Runs `body` on the loop, soon; false when the loop has ended, and nothing happens.
    @discardableResult
    func execute(_ body: @escaping @Sendable () -> Void) -> Bool {
        // The lock is held so that the gate cannot close in between; what is handed over before is still run.
        isOpen.withLockedValue { isOpen in
            if isOpen { eventLoop.execute(body) }
            return isOpen
        }
    }

    /// Runs `body` on the loop and waits until it, or whoever it hands the promise to, has an answer. Throws `closed` when
    /// the loop has ended.
    func submit<Result: Sendable>(
        closed: any Error, _ body: @escaping @Sendable (EventLoopPromise<Result>) -> Void
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            let isRunning = execute { [eventLoop] in
                let promise = eventLoop.makePromise(of: Result.self)
                promise.futureResult.whenComplete { continuation.resume(with: $0) }
                body(promise)
            }
            if !isRunning { continuation.resume(throwing: closed) }
        }
    }

    /// Nothing is handed over from now on; the loop may end.
    func close() { isOpen.withLockedValue { $0 = false } }
}
