import DXWire

/// When to try again what has failed: after a second, then ever more rarely, up to every five minutes, so that a dead
/// matchmaker costs little, and with jitter, so that a thousand gateways do not come back at once.
struct RetryTimer: Sendable, BitwiseCopyable {
    /// Failures since the last success.
    private(set) var failureCount = 0
    /// Nothing is tried before; nil when something may be tried at once.
    private(set) var notBefore: Instant?

    /// A gateway whose matchmaker restarts is back within a few seconds.
    static let first = Interval.seconds(1)
    /// Long enough to cost a few hundred bytes an hour, short enough that nobody waits much longer than it takes to mend.
    static let last = Interval.seconds(300)

    /// Whether it may be tried.
    func isReady(now: Instant) -> Bool { notBefore.map { now >= $0 } ?? true }

    /// It has failed.
    mutating func fail(now: Instant, random: inout RandomSource) {
        failureCount = min(failureCount + 1, 1_000)
        let doubled = Self.first * (1 &<< Int64(min(failureCount - 1, 10)))
        let span = min(doubled, Self.last)
        // Three quarters to five quarters.
        let jitter = Int64(random.below(UInt64(max(1, span.nanoseconds / 2))))
        notBefore = now + span * 3 / 4 + .nanoseconds(jitter)
    }

    /// It has worked, or the situation is another: the next failure is the first.
    mutating func reset() { self = RetryTimer() }
}
