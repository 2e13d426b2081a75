import DXWire

/// Keeps what one end sends of a UDP tunnel within the tunnel's rate: what is over it is dropped, as no datagram can be asked to
/// wait without waiting on those behind it.
///
/// A datagram passes when the bucket holds it, or is full and smaller than it: that makes a debt, so the rate holds whatever the
/// size of datagrams.
struct DatagramPolicer: Sendable {
    private var bucket: RateBucket

    /// What may be sent at once after a pause: what the rate gives in this time. Applications that know nothing of the rate send
    /// in bursts; a tenth of a second is what routers allow them.
    private static let burstMilliseconds: UInt64 = 100
    /// And no less than a few datagrams of an Ethernet.
    private static let leastBurst = 16_384

    /// A full bucket.
    init(bitsPerSecond: UInt64) {
        let burst = Int(min(bitsPerSecond, RateBucket.maximumBitsPerSecond) / 8_000 * Self.burstMilliseconds)
        bucket = RateBucket(bitsPerSecond: bitsPerSecond, burstByteCount: max(burst, Self.leastBurst))
    }

    /// The rate.
    var bitsPerSecond: UInt64 { bucket.bitsPerSecond }

    /// Whether a datagram of so many bytes may be sent now; it is counted then.
    mutating func take(_ byteCount: Int, now: Instant) -> Bool {
        guard bucket.available(now: now) >= min(byteCount, bucket.burstByteCount) else { return false }
        bucket.spend(byteCount, now: now)
        return true
    }

    /// What keeps a tunnel within `rate` that had this one before; nil where there is none.
    static func updated(_ policer: DatagramPolicer?, to rate: UInt64?, now: Instant) -> DatagramPolicer? {
        guard let rate else { return nil }
        guard var policer else { return DatagramPolicer(bitsPerSecond: rate) }
        policer.setRate(bitsPerSecond: rate, now: now)
        return policer
    }

    /// Another rate from now on. No more is there at once than was.
    mutating func setRate(bitsPerSecond: UInt64, now: Instant) {
        guard bitsPerSecond != bucket.bitsPerSecond else { return }
        let left = bucket.available(now: now)
        self = DatagramPolicer(bitsPerSecond: bitsPerSecond)
        bucket.spend(bucket.burstByteCount - left, now: now)
    }
}
