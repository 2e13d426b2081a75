import DXWire
import Testing

@testable import DXSecure

@Suite struct SignatureBudgetTests {
    private func v4(_ address: UInt32) -> Endpoint { Endpoint(v4: address, port: 5) }

    /// The macros of the test library cannot call a mutating function.
    private final class Taker {
        private var budget: SignatureBudget
        init(perSecond: Int, burst: Int, total: Int = 100_000) {
            budget = SignatureBudget(perSecond: perSecond, burst: burst, total: total)
        }
        func take(_ remote: Endpoint, now: Instant) -> Bool { budget.take(remote, now: now) }
    }

    @Test func burstThenRate() {
        let budget = Taker(perSecond: 10, burst: 3)
        var now = Instant(nanoseconds: 5)
        let from = v4(0x0102_0304)
        #expect((0..<5).map { _ in budget.take(from, now: now) } == [true, true, true, false, false])
        now += .milliseconds(99)
        #expect(!budget.take(from, now: now))
        now += .milliseconds(1)
        #expect(budget.take(from, now: now) && !budget.take(from, now: now))
        now += .seconds(1_000_000)
        #expect((0..<5).map { _ in budget.take(from, now: now) } == [true, true, true, false, false])
    }

    @Test func prefixes() {
        let budget = Taker(perSecond: 1, burst: 1)
        let now = Instant.zero
        #expect(budget.take(v4(0x0102_0304), now: now))
        #expect(!budget.take(v4(0x0102_03ff), now: now))
        #expect(budget.take(v4(0x0102_0404), now: now))
        let v6 = Endpoint(v6High: 0x2001_0db8_0001_0000, low: 1, port: 1)
        #expect(budget.take(v6, now: now))
        #expect(!budget.take(Endpoint(v6High: 0x2001_0db8_0001_ffff, low: 9, port: 1), now: now))
        #expect(budget.take(Endpoint(v6High: 0x2001_0db8_0002_0000, low: 1, port: 1), now: now))
    }

    /// With a full table all further prefixes share one bucket, until older ones have rested.
    @Test func boundedTable() {
        let budget = Taker(perSecond: 1, burst: 2)
        var now = Instant.zero
        for prefix in 0..<UInt32(SignatureBudget.maximumPrefixes) {
            #expect(budget.take(v4(prefix << 8), now: now))
        }
        let others = (0..<4).map { v4(0xf000_0000 + $0 << 8) }
        #expect(others.map { budget.take($0, now: now) } == [true, true, false, false])
        now += .seconds(2)
        #expect(others.map { budget.take($0, now: now) } == [true, true, true, true])
    }

    /// All prefixes together have a limit, too, and one that has used up its own does not use up that.
    @Test func total() {
        let budget = Taker(perSecond: 1, burst: 4, total: 3)
        var now = Instant.zero
        #expect(
            (0..<8).map { _ in budget.take(v4(0x0100), now: now) } == [true, true, true, true] + [
                false, false, false, false,
            ])
        #expect(budget.take(v4(0x0200), now: now) && budget.take(v4(0x0300), now: now))
        #expect(!budget.take(v4(0x0400), now: now))
        now += .milliseconds(334)
        #expect(budget.take(v4(0x0500), now: now) && !budget.take(v4(0x0500), now: now))
    }

    @Test func absurdSettings() {
        let none = Taker(perSecond: -5, burst: 0, total: -1)
        #expect(none.take(v4(1), now: .zero) && !none.take(v4(1), now: .zero))
        let endless = Taker(perSecond: .max, burst: .max, total: .max)
        for second in 0..<10 { #expect(endless.take(v4(1), now: Instant(nanoseconds: Int64(second) << 58))) }
    }
}
