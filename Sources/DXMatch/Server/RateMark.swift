import DXWire

/// A rate with a burst in eight bytes: the generic cell rate algorithm. What is held is when all that was taken will have come
/// back; before it nothing is owed. `TokenBucket` says the same in 40 bytes, too many for a million registrations.
struct RateMark: Equatable, Sendable, BitwiseCopyable {
    /// When the bucket is full again.
    private var fullAt = Instant.zero

    /// A rate and a burst, shared by all marks of a kind.
    struct Rate: Sendable, BitwiseCopyable {
        /// The time in which one take comes back.
        let interval: Interval
        /// How far ahead of the time a mark may be when something is taken.
        let slack: Interval

        /// `count` takes in `span` on average, `burst` at once; both are brought into 1 to a million.
        init(_ count: Int, in span: Interval, burst: Int) {
            interval = span / Int64(max(1, min(count, 1_000_000)))
            slack = interval * Int64(max(1, min(burst, 1_000_000)) - 1)
        }
    }

    /// Whether one more was there at `now`; it is gone then.
    mutating func take(_ rate: Rate, now: Instant) -> Bool {
        let start = max(fullAt, now)
        guard start - now <= rate.slack else { return false }
        fullAt = start + rate.interval
        return true
    }

    /// Whether nothing was taken, or all has come back: then it need not be remembered.
    func isFull(now: Instant) -> Bool { fullAt <= now }
}
