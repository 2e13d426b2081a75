import DXWire
import Testing

@testable import DXTunnel

/// A peer that restarted, and two gateways with one key.
@Suite struct BootHistoryTests {
    private let here = Endpoint(v4: 0x0a00_0001, port: 7_700)
    private let there = Endpoint(v4: 0x0a00_0002, port: 7_700)
    private let start = Instant(nanoseconds: 0)

    @Test func restartsAreTakenAtOnce() {
        var history = BootHistory()
        for boot in 1...100 as ClosedRange<UInt64> {
            let verdict = history.judge(boot, from: here, used: boot % 2 == 0 ? here : nil, now: start)
            #expect(verdict == .use)
        }
        #expect(history.twin == nil)
    }

    /// The one that came later stays; the one before is refused as long as that is heard.
    @Test func theSecondOfTwoStays() {
        var history = BootHistory()
        #expect(history.judge(1, from: here, used: nil, now: start) == .use)
        #expect(history.judge(2, from: there, used: here, now: start) == .use)
        for _ in 0..<3 { #expect(history.judge(1, from: here, used: there, now: start) == .refuse) }
        #expect(history.twin?.used == there && history.twin?.other == here)
        #expect(history.judge(2, from: there, used: there, now: start) == .use)
        #expect(history.judge(1, from: here, used: nil, now: start) == .use)
        #expect(history.judge(2, from: there, used: here, now: start) == .refuse)
        #expect(history.twin?.used == here && history.twin?.other == there)
    }

    @Test func aTwinThatIsSwitchedOffIsForgotten() {
        var history = BootHistory()
        _ = history.judge(1, from: here, used: nil, now: start)
        _ = history.judge(2, from: there, used: here, now: start)
        _ = history.judge(1, from: here, used: there, now: start)
        history.expire(now: start + .seconds(599))
        #expect(history.twin != nil)
        history.expire(now: start + .seconds(600))
        #expect(history.twin == nil)
    }
}
