import DXSocket
import DXWire
import Synchronization

/// How often each network was wrong lately: ten times at once and then one a second of each. Until then its right tokens are refused too,
/// as else the answer to a guess would be told.
///
/// Bounded: 256 networks; when all of them were wrong lately, all others count as one.
final class WrongTokens: Sendable {
    /// The networks that addresses belong to: IPv4 /24, IPv6 /48.
    struct Network: Sendable, Hashable {
        private let family: Endpoint.Family?
        private let bits: UInt64

        /// That of an address as text; what is none is of a network of its own.
        init(_ address: String) {
            let text = address.contains(":") ? "[\(address)]:0" : "\(address):0"
            let endpoint = try? Endpoint(text: text)
            family = endpoint?.family
            bits = endpoint.map { $0.family == .v4 ? $0.low &>> 8 : $0.high &>> 16 } ?? 0
        }
    }

    private let buckets = Mutex<[Network: TokenBucket]>([:])

    static let mostNetworks = 256
    private static let others = Network("")
    private static let fresh = TokenBucket(perSecond: 1, burst: 10)

    /// Whether another token from there is looked at.
    func mayTry(_ network: Network, now: Instant) -> Bool {
        buckets.withLock { buckets in
            var bucket = buckets[Self.place(network, buckets)] ?? Self.fresh
            return bucket.take(now: now)
        }
    }

    /// One from there was wrong.
    func note(_ network: Network, now: Instant) {
        buckets.withLock { buckets in
            if buckets.count >= Self.mostNetworks { buckets = buckets.filter { !$0.value.isFull(now: now) } }
            let place = Self.place(network, buckets)
            _ = buckets[place, default: Self.fresh].take(now: now)
        }
    }

    /// How many networks are known.
    var count: Int { buckets.withLock { $0.count } }

    private static func place(_ network: Network, _ buckets: [Network: TokenBucket]) -> Network {
        buckets[network] == nil && buckets.count >= mostNetworks ? others : network
    }
}
