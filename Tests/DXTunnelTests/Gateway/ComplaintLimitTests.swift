import DXWire
import Testing

@testable import DXTunnel

@Suite struct ComplaintLimitTests {
    @Test func aFloodIsCountedAndTold() {
        var limit = ComplaintLimit()
        let start = Instant(nanoseconds: 1)
        var written = 0
        for _ in 0..<1_000 where limit.take(now: start).isAllowed { written += 1 }
        #expect(written == 20)
        let tooEarly = limit.take(now: start + .milliseconds(999))
        #expect(!tooEarly.isAllowed)
        let next = limit.take(now: start + .seconds(1))
        #expect(next.isAllowed && next.leftOut == 981)
        let later = limit.take(now: start + .seconds(2))
        #expect(later.isAllowed && later.leftOut == 0)
    }
}
