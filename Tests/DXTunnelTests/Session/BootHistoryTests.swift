import DXWire
import Testing

@testable import DXTunnel

/// A peer that restarted, and two gateways with one key.
@Suite struct BootHistoryTests {
    private let here = Endpoint(v4: 0x0a00_0001, port: 7_700)
    private let there = Endpoint(v4: 0x0a00_0002, port: 7_700)
    private let start = Instant(nanoseconds: 0)

    /// At once, or when the start before does not answer any more.
    @Test func restartsAreTaken() {
        var history = BootHistory()
        for boot in 1...100 as ClosedRange<UInt64> {
            let isHeard = boot % 2 == 0
            let verdict = history.judge(boot, from: here, used: isHeard ? here : nil, now: start)
            #expect(verdict == (isHeard ? .ask : .use))
            if isHeard { history.follow(boot) }
            #expect(history.judge(boot, from: here, used: here, now: start) == .use)
        }
        #expect(history.twin == nil)
    }

    /// A copied card took everything from the gateway that was there, as if that had restarted. Who answers stays; the other one
    /// is refused as long as that is heard.
    @Test func theFirstOfTwoStays() {
        var history = BootHistory()
        #expect(history.judge(1, from: here, used: nil, now: start) == .use)
        #expect(history.judge(2, from: there, used: here, now: start) == .ask)
        history.refuse(2, from: there, used: here, now: start)
        for _ in 0..<3 { #expect(history.judge(2, from: there, used: here, now: start) == .refuse) }
        #expect(history.twin?.used == here && history.twin?.other == there)
        #expect(history.judge(1, from: here, used: here, now: start) == .use)
        #expect(history.judge(2, from: there, used: nil, now: start) == .use)
        #expect(history.judge(1, from: here, used: there, now: start) == .refuse)
        #expect(history.twin?.used == there && history.twin?.other == here)
    }

    /// The one before was slow to answer, and was taken for gone.
    @Test func oneThatComesBackIsRefused() {
        var history = BootHistory()
        _ = history.judge(1, from: here, used: nil, now: start)
        #expect(history.judge(2, from: there, used: here, now: start) == .ask)
        history.follow(2)
        for _ in 0..<3 { #expect(history.judge(1, from: here, used: there, now: start) == .refuse) }
        #expect(history.twin?.used == there && history.twin?.other == here)
    }

    @Test func aTwinThatIsSwitchedOffIsForgotten() {
        var history = BootHistory()
        _ = history.judge(1, from: here, used: nil, now: start)
        history.refuse(2, from: there, used: here, now: start)
        history.expire(now: start + .seconds(599))
        #expect(history.twin != nil)
        history.expire(now: start + .seconds(600))
        #expect(history.twin == nil)
    }
}
