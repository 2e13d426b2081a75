import DXWire
import Testing

@Suite struct TokenBucketTests {
    private let start = Instant(nanoseconds: 5)

    private func taken(_ bucket: inout TokenBucket, at now: Instant, tries: Int = 1_000) -> Int {
        (0..<tries).reduce(0) { count, _ in bucket.take(now: now) ? count + 1 : count }
    }

    @Test func burstThenRate() {
        var bucket = TokenBucket(perSecond: 10, burst: 3)
        #expect(bucket.isFull(now: start))
        #expect(taken(&bucket, at: start) == 3)
        #expect(!bucket.isFull(now: start))
        #expect(taken(&bucket, at: start + .milliseconds(99)) == 0)
        #expect(taken(&bucket, at: start + .milliseconds(100)) == 1)
        #expect(taken(&bucket, at: start + .milliseconds(350)) == 2)
        // Half a token was left over.
        #expect(taken(&bucket, at: start + .milliseconds(400)) == 1)
        // Never more than the burst, however long the pause.
        #expect(bucket.isFull(now: start + .seconds(86_400)))
        #expect(taken(&bucket, at: .distantFuture) == 3)
    }

    @Test func severalAtOnce() {
        var bucket = TokenBucket(perSecond: 1_000, burst: 500)
        let takes: [(count: Int, after: Int64, isThere: Bool)] = [
            (501, 0, false), (500, 0, true), (100, 99, false), (100, 100, true), (0, 100, true), (-1, 100, true),
            (1, 100, false), (.max, 1_000_000, false),
        ]
        for take in takes {
            let isThere = bucket.take(take.count, now: start + .milliseconds(take.after))
            #expect(isThere == take.isThere, "\(take)")
        }
    }

    @Test(arguments: [(0, 0), (-5, -5), (Int.min, Int.min)])
    func atLeastOne(perSecond: Int, burst: Int) {
        var bucket = TokenBucket(perSecond: perSecond, burst: burst)
        #expect(taken(&bucket, at: start) == 1)
        #expect(taken(&bucket, at: start + .seconds(1)) == 1)
    }

    @Test func extremes() {
        var bucket = TokenBucket(perSecond: .max, burst: .max)
        #expect(taken(&bucket, at: start) == 1_000)
        #expect(taken(&bucket, at: .distantFuture) == 1_000)
        // Time that stands still gives nothing; nor does time that goes back.
        var other = TokenBucket(perSecond: 1, burst: 1)
        #expect(taken(&other, at: start + .seconds(9)) == 1)
        #expect(taken(&other, at: start) == 0)
    }
}
