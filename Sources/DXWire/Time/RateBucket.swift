/// A bit rate with a burst: bytes are spent, and come back at the rate, up to the burst.
///
/// In any span of time at most the burst and what the rate gives in that span can be spent without debt. Spending more than
/// there is makes a debt, which is paid before anything is there again: so the rate holds in the long run, exactly, whatever
/// the size of what is spent. Filled when made. `TokenBucket` counts events; this one counts bytes, of which a bucket of
/// billionths of a token holds too few.
public struct RateBucket: Sendable, BitwiseCopyable {
    /// The rate, 1 to `maximumBitsPerSecond`.
    public let bitsPerSecond: UInt64
    /// What can be spent at once after a pause, in bytes.
    public let burstByteCount: Int

    // In billionths of a bit, so that a nanosecond gives `bitsPerSecond` of them and nothing is rounded.
    private let capacity: Int64
    /// Negative: a debt.
    private var level: Int64
    private var refilledAt: Instant?

    /// The largest rate, 100 Gbit/s: with it and the largest burst the sums below stay far from the end of their range.
    public static let maximumBitsPerSecond: UInt64 = 100_000_000_000
    /// The largest burst, 256 MiB: 20 ms at the largest rate, 250 MB, is less.
    public static let maximumBurstByteCount = 256 << 20

    private static let byte: Int64 = 8_000_000_000

    /// A full bucket. Both values are brought into their range, of which the least is 1.
    public init(bitsPerSecond: UInt64, burstByteCount: Int) {
        self.bitsPerSecond = max(1, min(bitsPerSecond, Self.maximumBitsPerSecond))
        self.burstByteCount = max(1, min(burstByteCount, Self.maximumBurstByteCount))
        // At most 2.2e18, a quarter of what fits.
        capacity = Int64(self.burstByteCount) * Self.byte
        level = capacity
    }

    /// The bytes that can be spent at `now` without debt; 0 while there is a debt. Time that goes back gives nothing.
    public mutating func available(now: Instant) -> Int {
        refill(now: now)
        return Int(max(0, level) / Self.byte)
    }

    /// Spends bytes, there or not. A debt grows no further than the range of the count, a gigabyte.
    public mutating func spend(_ byteCount: Int, now: Instant) {
        refill(now: now)
        let cost = Int64(max(0, byteCount)).saturatingTimes(Self.byte)
        level = level.saturatingMinus(cost)
    }

    /// When `byteCount` bytes can be spent without debt; a count beyond the burst is taken for the burst. Not before `now`.
    public mutating func whenAvailable(_ byteCount: Int, now: Instant) -> Instant {
        refill(now: now)
        let wanted = Int64(max(0, min(byteCount, burstByteCount))) * Self.byte
        guard wanted > level else { return now }
        let missing = wanted.saturatingMinus(level)
        let rate = Int64(bitsPerSecond)
        // Rounded up: a nanosecond too early would find a byte too few.
        return now + Interval(nanoseconds: missing / rate + (missing % rate > 0 ? 1 : 0))
    }

    private mutating func refill(now: Instant) {
        guard let last = refilledAt else {
            refilledAt = now
            return
        }
        guard now > last else { return }
        refilledAt = now
        // Saturates for a pause that gives more than fits; then the bucket is full.
        let earned = ((now - last) * Int64(bitsPerSecond)).nanoseconds
        level = min(capacity, level.saturatingPlus(earned))
    }
}
