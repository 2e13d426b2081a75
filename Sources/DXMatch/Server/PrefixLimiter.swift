public import DXWire

/// A rate for each address prefix (IPv4 /24, IPv6 /48), in bounded memory: 16 bytes for each of the prefixes that are counted
/// apart. A prefix that has used nothing lately needs no place; when the eight places where a prefix can be are all in use by
/// others, it shares one bucket with all that have no place. So a flood from many prefixes costs no memory, and those that were
/// there before it keep what is theirs.
///
/// Complexity: O(1): eight places are looked at. Which eight is a seeded hash's choice.
public struct PrefixLimiter: Sendable {
    private struct Place: Sendable, BitwiseCopyable {
        var prefix: UInt64 = 0
        var mark = RateMark()
    }

    private static let ways = 8

    private let hash: SeededHash
    private let rate: RateMark.Rate
    private let sharedRate: RateMark.Rate
    private var places: [Place]
    private var shared = RateMark()

    /// A limiter in which nothing is used.
    ///
    /// - Parameters:
    ///   - capacity: the prefixes that are counted apart; brought to a power of two, 8 to 2^20.
    ///   - shared: what all others may have together, a second and at once.
    ///   - seed: a secret.
    public init(perSecond: Int, burst: Int, shared: Int, capacity: Int, seed: Block32) {
        rate = RateMark.Rate(perSecond, in: .seconds(1), burst: burst)
        sharedRate = RateMark.Rate(shared, in: .seconds(1), burst: shared)
        hash = SeededHash(seed: seed)
        var count = Self.ways
        while count < min(capacity, 1 << 20) { count *= 2 }
        places = [Place](repeating: Place(), count: count)
    }

    /// Whether one more from `remote` is allowed at `now`; it then counts.
    public mutating func take(_ remote: Endpoint, now: Instant) -> Bool {
        let prefix = Self.prefix(remote)
        let start = Int(truncatingIfNeeded: hash(prefix)) & (places.count &- 1) & ~(Self.ways &- 1)
        var free = -1
        for index in start..<(start &+ Self.ways) {
            if places[index].prefix == prefix { return places[index].mark.take(rate, now: now) }
            if free < 0, places[index].mark.isFull(now: now) { free = index }
        }
        guard free >= 0 else { return shared.take(sharedRate, now: now) }
        places[free] = Place(prefix: prefix)
        return places[free].mark.take(rate, now: now)
    }

    /// The bytes held: never more than at the beginning.
    public var byteCount: Int { places.capacity * MemoryLayout<Place>.stride }

    /// The prefix of an address (IPv4 /24, IPv6 /48) as one word; never 0, which is a place that was never used.
    public static func prefix(_ remote: Endpoint) -> UInt64 {
        switch remote.family {
        case .v4: 4 &<< 60 | remote.low &>> 8
        case .v6: 6 &<< 60 | remote.high &>> 16
        }
    }
}
