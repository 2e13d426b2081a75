import DXWire
import Testing

@testable import DXStream

@Suite struct MinimumRoundTripTests {
    private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: 0) + .milliseconds(milliseconds) }

    /// A sample each 100 ms from `from` to `to`; when a probe was due first.
    private func feed(
        _ filter: inout MinimumRoundTrip, _ sample: Interval, from: Int64, to: Int64
    ) -> Int64? {
        var due: Int64?
        for time in stride(from: from, to: to, by: 100) {
            filter.update(sample, now: at(time))
            if filter.isProbeDue && due == nil { due = time }
        }
        return due
    }

    @Test func keepsTheSmallest() {
        var filter = MinimumRoundTrip()
        #expect(filter.value == nil)
        filter.update(.milliseconds(50), now: at(0))
        filter.update(.milliseconds(40), now: at(10))
        filter.update(.milliseconds(60), now: at(20))
        #expect(filter.value == .milliseconds(40))
    }

    @Test func aQueueForFiveSecondsAsksForAProbe() {
        var filter = MinimumRoundTrip()
        filter.update(.milliseconds(40), now: at(0))
        #expect(feed(&filter, .milliseconds(60), from: 100, to: 8_000) == 5_100)
        // The value itself stays until ten seconds are over: the probe knows what it looks for.
        #expect(filter.value == .milliseconds(40))
        filter.onProbed(now: at(8_000))
        #expect(!filter.isProbeDue)
        #expect(feed(&filter, .milliseconds(60), from: 8_100, to: 12_000) == nil)
        #expect(filter.value == .milliseconds(60))
    }

    /// A queue that empties now and then needs no probe, and the value does not creep.
    @Test func samplesNearTheMinimumRenewIt() {
        var filter = MinimumRoundTrip()
        filter.update(.milliseconds(40), now: at(0))
        for second in 0..<60 as Range<Int64> {
            filter.update(.milliseconds(41), now: at(second * 1_000 + 10))
            #expect(feed(&filter, .milliseconds(55), from: second * 1_000 + 100, to: second * 1_000 + 1_000) == nil)
        }
        #expect(filter.value == .milliseconds(40))
    }

    @Test func aLongerRouteIsAcceptedAfterTenSeconds() {
        var filter = MinimumRoundTrip()
        filter.update(.milliseconds(40), now: at(0))
        _ = feed(&filter, .milliseconds(80), from: 100, to: 10_000)
        #expect(filter.value == .milliseconds(40))
        _ = feed(&filter, .milliseconds(80), from: 10_000, to: 10_300)
        #expect(filter.value == .milliseconds(80))
    }

    @Test func adoptsAValue() {
        var filter = MinimumRoundTrip()
        filter.adopt(.milliseconds(30), now: at(0))
        #expect(filter.value == .milliseconds(30))
        #expect(feed(&filter, .milliseconds(50), from: 100, to: 6_000) == 5_100)
    }
}
