import DXWire

/// How many signatures may be checked: in all, and for an address prefix. A check costs about 0.15 ms of CPU, and
/// somebody with the group key can ask for many, from invented addresses.
///
/// HELLO and CONNECT have a budget each: a HELLO's address is not proven, so a flood of them must not use up what a
/// CONNECT needs, whose address is.
///
/// Bounded: 1,024 prefixes. When the table is full of prefixes that asked lately, all others share one bucket.
struct SignatureBudget {
    private struct Prefix: Hashable {
        var family: Endpoint.Family
        var bits: UInt64
    }

    static let maximumPrefixes = 1_024

    private let fresh: TokenBucket
    private var buckets: [Prefix: TokenBucket] = [:]
    private var shared: TokenBucket
    private var total: TokenBucket
    private var sweptAt: Instant?

    /// For each prefix `perSecond` checks on average and `burst` at once; for all together `total` on average and twice
    /// as many at once.
    init(perSecond: Int, burst: Int, total: Int) {
        fresh = TokenBucket(perSecond: perSecond, burst: burst)
        shared = fresh
        self.total = TokenBucket(perSecond: total, burst: min(total, 1_000_000_000) * 2)
    }

    /// Whether one more signature from `remote` may be checked at `now`; it then counts.
    mutating func take(_ remote: Endpoint, now: Instant) -> Bool {
        let prefix =
            switch remote.family {
            case .v4: Prefix(family: .v4, bits: remote.low &>> 8)
            case .v6: Prefix(family: .v6, bits: remote.high &>> 16)
            }
        // A prefix that has used up its own does not cost the others anything.
        return takeOwn(prefix, now: now) && total.take(now: now)
    }

    private mutating func takeOwn(_ prefix: Prefix, now: Instant) -> Bool {
        if buckets[prefix] == nil, buckets.count >= Self.maximumPrefixes {
            sweep(now: now)
            if buckets.count >= Self.maximumPrefixes { return shared.take(now: now) }
        }
        return buckets[prefix, default: fresh].take(now: now)
    }

    /// Forgets prefixes whose bucket is full again; at most once a second, because it looks at all.
    private mutating func sweep(now: Instant) {
        if let sweptAt, now - sweptAt < .seconds(1) { return }
        sweptAt = now
        buckets = buckets.filter { !$0.value.isFull(now: now) }
    }
}
