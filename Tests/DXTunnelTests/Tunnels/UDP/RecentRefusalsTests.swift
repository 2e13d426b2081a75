import DXWire
import Testing

@testable import DXTunnel

@Suite struct RecentRefusalsTests {
    @Test func aClientCountsOnceASecond() {
        var recent = RecentRefusals<Int>()
        let start = Instant.zero
        let first = [1, 2].map { recent.isNew($0, now: start) }
        #expect(first == [true, true])
        let within = ([0, 10, 999] as [Int64]).map { recent.isNew(1, now: start + .milliseconds($0)) }
        #expect(within == [false, false, false])
        let later = recent.isNew(1, now: start + .milliseconds(1_000))
        #expect(later)
    }

    @Test func onlySoManyAreRemembered() {
        var recent = RecentRefusals<Int>()
        let counted = (0..<5_000).count { recent.isNew($0, now: .zero) }
        #expect(counted == RecentRefusals<Int>.most)
        let later = recent.isNew(5_000, now: .zero + .seconds(1))
        #expect(later)
    }
}
