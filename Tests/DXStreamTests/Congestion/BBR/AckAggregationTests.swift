import DXWire
import Testing

@testable import DXStream

@Suite struct AckAggregationTests {
    private func at(_ milliseconds: Int64) -> Instant {
        Instant(nanoseconds: 1_000_000_000) + .milliseconds(milliseconds)
    }

    /// 1,000 bytes each ms at 1 MB/s: one acknowledgement at a time is all that is ahead.
    @Test func aSteadyStreamNeedsNothingExtra() {
        var aggregation = AckAggregation()
        for time in 0..<200 as Range<Int64> {
            aggregation.update(
                acknowledged: 1_000, bandwidth: 1_000_000, window: 100_000, round: UInt64(time / 20),
                isPipeFilled: true, now: at(time))
        }
        #expect(aggregation.extraBytes <= 1_000)
    }

    /// The same bytes in heaps of 20 ms: that much must be in flight beyond the path.
    @Test func heapsNeedAsMuchAsTheyHold() {
        var aggregation = AckAggregation()
        for heap in 0..<20 as Range<Int64> {
            aggregation.update(
                acknowledged: 20_000, bandwidth: 1_000_000, window: 100_000, round: UInt64(heap), isPipeFilled: true,
                now: at(heap * 20))
        }
        #expect(aggregation.extraBytes == 20_000)
        // Smooth again: forgotten after ten rounds.
        for time in 0..<400 as Range<Int64> {
            aggregation.update(
                acknowledged: 1_000, bandwidth: 1_000_000, window: 100_000, round: 20 + UInt64(time / 20),
                isPipeFilled: true, now: at(400 + time))
        }
        #expect(aggregation.extraBytes <= 1_000)
    }

    @Test func neverMoreThanTheWindow() {
        var aggregation = AckAggregation()
        aggregation.update(
            acknowledged: 60_000, bandwidth: 1_000, window: 5_000, round: 1, isPipeFilled: false, now: at(0))
        #expect(aggregation.extraBytes == 5_000)
    }
}
