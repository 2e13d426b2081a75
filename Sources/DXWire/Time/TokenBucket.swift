/// A rate with a burst: each take costs one token, tokens come back at a rate, up to the burst.
///
/// Tokens are counted in billionths, so that a nanosecond of refill is `perSecond` of them.
public struct TokenBucket: Sendable, BitwiseCopyable {
    private let perSecond: Int64
    private let capacity: Int64
    private var tokens: Int64
    private var refilledAt: Instant?

    private static let token: Int64 = 1_000_000_000

    /// A full bucket: `perSecond` takes on average, `burst` at once; both are brought into 1 to a billion.
    public init(perSecond: Int, burst: Int) {
        self.perSecond = Int64(max(1, min(perSecond, 1_000_000_000)))
        capacity = Int64(max(1, min(burst, 1_000_000_000))) * Self.token
        tokens = capacity
    }

    /// Whether a token was there at `now`; it is gone then.
    public mutating func take(now: Instant) -> Bool { take(1, now: now) }

    /// Whether so many tokens were there at `now`; they are gone then. More than the burst are never there; none or fewer cost nothing.
    public mutating func take(_ count: Int, now: Instant) -> Bool {
        tokens = refilled(now: now)
        refilledAt = now
        let price = Int64(max(0, min(count, 2_000_000_000))) * Self.token
        guard tokens >= price else { return false }
        tokens -= price
        return true
    }

    /// Whether nothing was taken, or all has come back.
    public func isFull(now: Instant) -> Bool { refilled(now: now) == capacity }

    private func refilled(now: Instant) -> Int64 {
        guard let refilledAt else { return tokens }
        let earned = ((now - refilledAt) * perSecond).nanoseconds
        // Earned is clipped first: the sum of two values up to `capacity` (10^18) does not overflow.
        return min(capacity, tokens + max(0, min(earned, capacity)))
    }
}
