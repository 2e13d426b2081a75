import DXWire
import NIOCore
import NIOPosix
import Testing

@testable import DXSocket

@Suite struct WakeupTimerTests {
    /// Keeps when it was woken; does what the test says then.
    final class Sleeper: WakeupHandler {
        private(set) var wakeups: [Instant] = []
        var onWakeup: ((Instant) -> Void)?

        func wakeupFired(now: Instant) {
            wakeups.append(now)
            onWakeup?(now)
        }
    }

    /// Gives `body` a timer and its sleeper on an event loop, and waits for the promise that it may keep.
    private func withTimer<Value: Sendable>(
        _ body: @escaping @Sendable (WakeupTimer<Sleeper>, Sleeper, EventLoopPromise<Value>) -> Void
    ) async throws -> Value {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let eventLoop = group.next()
        let value = try await eventLoop.flatSubmit {
            let sleeper = Sleeper()
            let timer = WakeupTimer(on: eventLoop, handler: sleeper)
            let promise = eventLoop.makePromise(of: Value.self)
            body(timer, sleeper, promise)
            let bound = NIOLoopBound((timer, sleeper), eventLoop: eventLoop)
            return promise.futureResult.always { _ in
                bound.value.0.cancel()
                bound.value.1.onWakeup = nil
            }
        }.get()
        try await group.shutdownGracefully()
        return value
    }

    @Test func itNeverWakesEarly() async throws {
        let early = try await withTimer { (timer, sleeper, promise: EventLoopPromise<Int>) in
            var early = 0
            var deadline = MonotonicClock.now() + .milliseconds(1)
            sleeper.onWakeup = { now in
                if now < deadline { early += 1 }
                guard sleeper.wakeups.count < 20 else { return promise.succeed(early) }
                deadline = MonotonicClock.now() + .microseconds(Int64(sleeper.wakeups.count) * 100)
                timer.arm(at: deadline)
            }
            timer.arm(at: deadline)
        }
        #expect(early == 0)
    }

    @Test func aLaterDeadlineReplacesAnEarlierOne() async throws {
        let wakeups = try await withTimer { (timer, sleeper, promise: EventLoopPromise<[Bool]>) in
            let first = MonotonicClock.now() + .milliseconds(1)
            let second = first + .milliseconds(20)
            sleeper.onWakeup = { _ in promise.succeed(sleeper.wakeups.map { $0 >= second }) }
            timer.arm(at: first)
            timer.arm(at: second)
        }
        #expect(wakeups == [true])
    }

    @Test func anEarlierDeadlineReplacesALaterOne() async throws {
        let isEarly = try await withTimer { (timer, sleeper, promise: EventLoopPromise<Bool>) in
            let far = MonotonicClock.now() + .seconds(3600)
            sleeper.onWakeup = { promise.succeed($0 < far) }
            timer.arm(at: far)
            timer.arm(at: MonotonicClock.now() + .milliseconds(1))
        }
        #expect(isEarly)
    }

    @Test func aPassedDeadlineWakesAtOnceButNotFromInside() async throws {
        let inside = try await withTimer { (timer, sleeper, promise: EventLoopPromise<Bool>) in
            var isArming = true
            sleeper.onWakeup = { _ in promise.succeed(isArming) }
            timer.arm(at: .zero)
            isArming = false
        }
        #expect(!inside)
    }

    @Test func noDeadlineMeansNoWakeup() async throws {
        let count = try await withTimer { (timer, sleeper, promise: EventLoopPromise<Int>) in
            let eventLoop = promise.futureResult.eventLoop
            let other = Sleeper()
            let second = WakeupTimer(on: eventLoop, handler: other)
            let start = MonotonicClock.now()
            timer.arm(at: start + .milliseconds(1))
            timer.arm(at: nil)
            second.arm(at: start + .milliseconds(5))
            other.onWakeup = { _ in
                promise.succeed(sleeper.wakeups.count)
                withExtendedLifetime(second) {}
                other.onWakeup = nil
            }
            withExtendedLifetime(other) {}
            timer.arm(at: .distantFuture)
        }
        #expect(count == 0)
    }

    @Test func aCancelledTimerCanBeArmedAgain() async throws {
        let count = try await withTimer { (timer, sleeper, promise: EventLoopPromise<Int>) in
            sleeper.onWakeup = { _ in promise.succeed(sleeper.wakeups.count) }
            timer.arm(at: MonotonicClock.now() + .milliseconds(1))
            timer.cancel()
            timer.arm(at: MonotonicClock.now() + .milliseconds(2))
        }
        #expect(count == 1)
    }
}
