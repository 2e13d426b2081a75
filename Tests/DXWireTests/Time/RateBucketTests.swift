import DXWire
import Testing

@Suite struct RateBucketTests {
    private let start = Instant(nanoseconds: 5)

    @Test func givesTheBurstAndThenTheRate() {
        // A byte each millisecond.
        var bucket = RateBucket(bitsPerSecond: 8_000, burstByteCount: 100)
        #expect(bucket.available(now: start) == 100)
        bucket.spend(100, now: start)
        #expect(bucket.available(now: start) == 0)
        #expect(bucket.available(now: start + .nanoseconds(999_999)) == 0)
        #expect(bucket.available(now: start + .milliseconds(1)) == 1)
        #expect(bucket.available(now: start + .milliseconds(99)) == 99)
        // Never more than the burst, however long the pause.
        #expect(bucket.available(now: start + .seconds(86_400)) == 100)
    }

    /// Twenty thousand spends of odd sizes at odd times: what was spent is the burst and what the rate gave, to the byte.
    @Test(arguments: [8_000, 500_000, 19_999_999, 1_000_000_000] as [UInt64])
    func keepsTheRateInTheLongRun(rate: UInt64) {
        var random = RandomSource(seed: rate)
        var bucket = RateBucket(bitsPerSecond: rate, burstByteCount: 16_384)
        var now = start
        // What comes back while the bucket is full is lost: so the burst goes first.
        var spent: UInt64 = 16_384
        bucket.spend(16_384, now: start)
        for _ in 0..<20_000 {
            // Shorter than the burst lasts at each of the rates, so that nothing is lost to a full bucket.
            now += .nanoseconds(Int64(random.next() % 100_000))
            let count = bucket.available(now: now)
            bucket.spend(count, now: now)
            spent += UInt64(count)
        }
        let given = UInt64((now - start).nanoseconds) / 1_000 * rate / 8_000_000
        #expect(spent <= given + 16_384 + rate / 8_000_000 + 1)
        #expect(spent + rate / 8_000_000 + 1 >= given + 16_384)
    }

    /// In no span is more spent than the burst and what the rate gives in it.
    @Test func boundsEverySpan() {
        let (rate, burst) = (20_000_000 as UInt64, 50_000)
        var random = RandomSource(seed: 3)
        var bucket = RateBucket(bitsPerSecond: rate, burstByteCount: burst)
        var now = start
        var spends: [(at: Instant, count: Int)] = []
        for _ in 0..<2_000 {
            // Now and then a pause in which the bucket fills.
            let pause = random.next() % 50 == 0 ? 40_000_000 : random.next() % 3_000_000
            now += .nanoseconds(Int64(pause))
            let count = min(bucket.available(now: now), Int(random.next() % 20_000))
            bucket.spend(count, now: now)
            spends.append((now, count))
        }
        for first in stride(from: 0, to: spends.count, by: 7) {
            var sum = 0
            for last in first..<spends.count {
                sum += spends[last].count
                let span = (spends[last].at - spends[first].at).nanoseconds
                let allowed = burst + Int(span * Int64(rate) / 8_000_000_000) + 1
                #expect(sum <= allowed, "from \(first) to \(last)")
                if sum > allowed { return }
            }
        }
    }

    @Test func aDebtIsPaidFirst() {
        var bucket = RateBucket(bitsPerSecond: 8_000_000, burstByteCount: 1_000)
        bucket.spend(11_000, now: start)
        #expect(bucket.whenAvailable(1, now: start) == start + .microseconds(10_001))
        #expect(bucket.available(now: start + .milliseconds(10)) == 0)
        #expect(bucket.available(now: start + .microseconds(10_001)) == 1)
        #expect(bucket.available(now: start + .microseconds(11_000)) == 1_000)
    }

    /// Exactly when it says, and not a nanosecond before.
    @Test(arguments: [1, 3, 8_000, 333_333, 20_000_000, 7_777_777_777, 100_000_000_000] as [UInt64])
    func saysWhen(rate: UInt64) {
        var bucket = RateBucket(bitsPerSecond: rate, burstByteCount: 2_000)
        bucket.spend(2_000, now: start)
        for count in [1, 7, 1_999, 2_000] {
            var copy = bucket
            let at = copy.whenAvailable(count, now: start)
            var early = bucket
            #expect(early.available(now: at - .nanoseconds(1)) < count)
            #expect(copy.available(now: at) >= count)
        }
        #expect(bucket.whenAvailable(.max, now: start) == bucket.whenAvailable(2_000, now: start))
        #expect(bucket.whenAvailable(0, now: start) == start)
    }

    @Test(arguments: [(0, 0), (0, Int.min), (.max, .max), (.max, 1), (1, .max)] as [(UInt64, Int)])
    func staysInRange(rate: UInt64, burst: Int) {
        var bucket = RateBucket(bitsPerSecond: rate, burstByteCount: burst)
        #expect(bucket.bitsPerSecond >= 1 && bucket.bitsPerSecond <= RateBucket.maximumBitsPerSecond)
        let full = bucket.available(now: start)
        #expect(full == bucket.burstByteCount && full >= 1 && full <= RateBucket.maximumBurstByteCount)
        // Time that goes back gives nothing and takes nothing.
        #expect(bucket.available(now: Instant(nanoseconds: .min)) == full)
        for _ in 0..<4 { bucket.spend(.max, now: start) }
        bucket.spend(.min, now: start)
        #expect(bucket.available(now: start) == 0)
        #expect(bucket.whenAvailable(1, now: start) > start)
        // As long a pause as there is.
        _ = bucket.available(now: .distantFuture)
        var other = RateBucket(bitsPerSecond: rate, burstByteCount: burst)
        other.spend(full, now: start)
        #expect(other.available(now: .distantFuture) >= min(full, 1 << 20))
    }
}
