import DXWire

/// How many signatures may be checked for an address prefix: a token bucket each. A check costs about 0.15 ms of CPU, and
/// somebody with the group key can ask for many, from invented addresses.
///
/// Bounded: 1,024 prefixes. When the table is full of prefixes that asked lately, all others share one bucket.
struct SignatureBudget {
    private struct Prefix: Hashable {
        var family: Endpoint.Family
        var bits: UInt64
    }

    /// Tokens are counted in billionths, so that a nanosecond of refill is `perSecond` of them.
    private struct Bucket {
        var tokens: Int64
        var refilledAt: Instant
    }

    private static let token: Int64 = 1_000_000_000
    static let maximumPrefixes = 1_024

    private let perSecond: Int64
    private let capacity: Int64
    private var buckets: [Prefix: Bucket] = [:]
    private var shared: Bucket?
    private var sweptAt: Instant?

    /// `perSecond` checks on average, `burst` at once; both at least 1 and at most a billion.
    init(perSecond: Int, burst: Int) {
        self.perSecond = Int64(max(1, min(perSecond, 1_000_000_000)))
        capacity = Int64(max(1, min(burst, 1_000_000_000))) * Self.token
    }

    /// Whether one more signature from `remote` may be checked at `now`; it then counts.
    mutating func take(_ remote: Endpoint, now: Instant) -> Bool {
        let prefix =
            switch remote.family {
            case .v4: Prefix(family: .v4, bits: remote.low &>> 8)
            case .v6: Prefix(family: .v6, bits: remote.high &>> 16)
            }
        if buckets[prefix] == nil, buckets.count >= Self.maximumPrefixes {
            sweep(now: now)
            if buckets.count >= Self.maximumPrefixes { return take(&shared, now: now) }
        }
        return take(&buckets[prefix], now: now)
    }

    private func take(_ bucket: inout Bucket?, now: Instant) -> Bool {
        var tokens = refilled(bucket, now: now)
        let isAllowed = tokens >= Self.token
        if isAllowed { tokens -= Self.token }
        bucket = Bucket(tokens: tokens, refilledAt: now)
        return isAllowed
    }

    private func refilled(_ bucket: Bucket?, now: Instant) -> Int64 {
        guard let bucket else { return capacity }
        let earned = ((now - bucket.refilledAt) * perSecond).nanoseconds
        // Earned is clipped first: the sum of two values up to `capacity` (10^18) does not overflow.
        return min(capacity, bucket.tokens + max(0, min(earned, capacity)))
    }

    /// Forgets prefixes whose bucket is full again; at most once a second, because it looks at all.
    private mutating func sweep(now: Instant) {
        if let sweptAt, now - sweptAt < .seconds(1) { return }
        sweptAt = now
        buckets = buckets.filter { refilled($0.value, now: now) < capacity }
    }
}
