import DXWire
import Testing

@Suite struct InstantTests {
    @Test func movesBySpans() {
        let start = Instant(nanoseconds: 5_000)
        #expect(start + .microseconds(1) == Instant(nanoseconds: 6_000))
        #expect(start - .microseconds(1) == Instant(nanoseconds: 4_000))
        #expect(start + .microseconds(-1) == Instant(nanoseconds: 4_000))
        #expect(Instant(nanoseconds: 7_000) - start == .microseconds(2))
        #expect(start - Instant(nanoseconds: 7_000) == .microseconds(-2))
        var moved = start
        moved += .nanoseconds(1)
        #expect(moved == Instant(nanoseconds: 5_001))
        #expect(start < moved && Instant.zero < start && moved < .distantFuture)
    }

    @Test func saturates() {
        let least = Instant(nanoseconds: .min)
        #expect(Instant.distantFuture + .nanoseconds(1) == .distantFuture)
        #expect(Instant.zero + .max + .max == .distantFuture)
        #expect(least - .nanoseconds(1) == least)
        #expect(Instant.distantFuture - Interval.nanoseconds(-1) == .distantFuture)
        #expect(Instant.distantFuture - least == .max)
        #expect((least - Instant.distantFuture).nanoseconds == .min)
        var moved = Instant.distantFuture
        moved += .max
        #expect(moved == .distantFuture)
    }

    @Test func describesItself() {
        #expect(Instant(nanoseconds: 1_500_000).description == "@1.500ms")
        #expect(Instant.zero.description == "@0ns")
    }
}
