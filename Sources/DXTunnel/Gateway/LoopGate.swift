import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// The way onto the gateway's event loop for other threads, until the loop ends: from then on nothing is handed over, where
/// NIO would lose it, and with it whoever waits.
final class LoopGate: Sendable {
    /// Work elsewhere was not at its end when the loop ended.
    struct LoopEnded: Error {}

    private struct State {
        var isOpen = true
        /// What fails the promise of each piece of work under way on other threads, by its number.
        var work: [UInt64: @Sendable () -> Void] = [:]
        var nextWork: UInt64 = 0
    }

    let eventLoop: any EventLoop
    private let state = NIOLockedValueBox(State())

    /// An open gate.
    init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    /// Runs `body` on the loop, soon; false when the loop has ended, and nothing happens.
    @discardableResult
    func execute(_ body: @escaping @Sendable () -> Void) -> Bool {
        // The lock is held so that the gate cannot close in between; what is handed over before is still run.
        state.withLockedValue { state in
            if state.isOpen { eventLoop.execute(body) }
            return state.isOpen
        }
    }

    /// Runs `work`, which may block, on a thread of `pool`, and brings its result to the loop; `LoopEnded` when the gate closes
    /// before that, as a look-up of a name may take longer than a gateway lives.
    func run<Result: Sendable>(
        on pool: NIOThreadPool, _ work: @escaping @Sendable () throws -> Result
    ) -> EventLoopFuture<Result> {
        bring { done in
            pool.submit { item in
                done(
                    Swift.Result {
                        guard item == .active else { throw LoopEnded() }
                        return try work()
                    })
            }
        }
    }

    /// Has `begin` begin something on other threads, and brings the result to the loop which that is handed there; `LoopEnded` when the
    /// gate closes before.
    func bring<Result: Sendable>(
        _ begin: (@escaping @Sendable (Swift.Result<Result, any Error>) -> Void) -> Void
    ) -> EventLoopFuture<Result> {
        let promise = eventLoop.makePromise(of: Result.self)
        let number = state.withLockedValue { state -> UInt64? in
            guard state.isOpen else { return nil }
            state.nextWork += 1
            state.work[state.nextWork] = { promise.fail(LoopEnded()) }
            return state.nextWork
        }
        guard let number else {
            promise.fail(LoopEnded())
            return promise.futureResult
        }
        begin { [self] result in
            state.withLockedValue { state in
                guard state.work.removeValue(forKey: number) != nil else { return }
                eventLoop.execute { promise.completeWith(result) }
            }
        }
        return promise.futureResult
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

    /// Nothing is handed over from now on; the loop may end. Whoever waits for work elsewhere waits no longer.
    func close() {
        state.withLockedValue { state in
            guard state.isOpen else { return }
            state.isOpen = false
            for fail in state.work.values { eventLoop.execute(fail) }
            state.work = [:]
        }
    }
}
