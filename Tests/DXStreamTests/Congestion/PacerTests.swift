import DXWire
import Testing

@testable import DXStream

@Suite struct PacerTests {
    let start = Instant(nanoseconds: 1_000_000_000)

    private func pacer(rate: UInt64, datagram: Int = 1200) -> Pacer {
        var pacer = Pacer(maximumDatagram: datagram, now: start)
        pacer.setRate(rate, maximumDatagram: datagram, now: start)
        return pacer
    }

    @Test func startsWithTheInitialWindow() {
        var pacer = Pacer(maximumDatagram: 1200, now: start)
        #expect(pacer.allowance(now: start) == 12_000)
        pacer.onSent(bytes: 12_000, now: start)
        #expect(pacer.allowance(now: start) == 0)
        // 72,000 bytes per second: one datagram takes a sixtieth of a second.
        #expect(pacer.nextSendTime(bytes: 1200, now: start) == start + .nanoseconds(16_666_667))
    }

    @Test func burstFollowsTheRate() {
        // Below 3 MB/s the initial window is more than 4 ms give.
        #expect(pacer(rate: 1_000_000).burstBytes == 12_000)
        #expect(pacer(rate: 10_000_000).burstBytes == 40_000)
        // One GSO write: 65,000 bytes, or 64 segments.
        #expect(pacer(rate: 20_000_000).burstBytes == 65_000)
        #expect(pacer(rate: 65_000_000).burstBytes == 65_000)
        #expect(pacer(rate: 20_000_000, datagram: 1000).burstBytes == 64_000)
        // What passes while a busy loop does not look.
        #expect(pacer(rate: 1_000_000_000).burstBytes == 1_000_000)
        #expect(pacer(rate: 20_000_000, datagram: 65_000).burstBytes == 130_000)
    }

    @Test func neverOverWhatAFewMillisecondsGive() {
        for shift in 0..<41 {
            let rate = UInt64(1) << UInt64(shift)
            let pacer = pacer(rate: rate)
            #expect(pacer.burstBytes <= max(12_000, Int(rate / 250)), "rate \(rate)")
        }
    }

    @Test func wakesUpForShortRuns() {
        #expect(pacer(rate: 1_000).wakeupBytes == 1_200)
        #expect(pacer(rate: 12_500_000).wakeupBytes == 12_500)
        #expect(pacer(rate: 1_000_000_000).wakeupBytes == 32_500)
        #expect(pacer(rate: 1_000, datagram: 65_000).wakeupBytes == 65_000)
        for shift in 0..<41 {
            let pacer = pacer(rate: UInt64(1) << UInt64(shift))
            #expect(pacer.wakeupBytes <= pacer.burstBytes)
        }
    }

    @Test func nextSendTimeIsExact() {
        var pacer = pacer(rate: 1_000_000)
        pacer.onSent(bytes: 12_000, now: start)
        let time = pacer.nextSendTime(bytes: 6_000, now: start)
        #expect(time == start + .milliseconds(6))
        #expect(pacer.allowance(now: time - .nanoseconds(1)) == 5_999)
        #expect(pacer.allowance(now: time) == 6_000)
        // What is there already may go now; nothing may go always.
        #expect(pacer.nextSendTime(bytes: 6_000, now: time) == time)
        #expect(pacer.nextSendTime(bytes: 0, now: time) == time)
        // More than a burst is a burst.
        #expect(pacer.nextSendTime(bytes: .max, now: time) == start + .milliseconds(12))
    }

    @Test func sentBeyondTheAllowanceIsPaidBack() {
        var pacer = pacer(rate: 1_000_000)
        pacer.onSent(bytes: 15_000, now: start)
        #expect(pacer.allowance(now: start) == 0)
        #expect(pacer.nextSendTime(bytes: 1_000, now: start) == start + .milliseconds(4))
        // The debt is at most one burst.
        for _ in 0..<10 { pacer.onSent(bytes: 60_000, now: start) }
        #expect(pacer.nextSendTime(bytes: 1_000, now: start) == start + .milliseconds(13))
    }

    @Test func aNewRateCountsFromItsInstant() {
        var pacer = pacer(rate: 1_000_000)
        pacer.onSent(bytes: 12_000, now: start)
        pacer.setRate(10_000_000, maximumDatagram: 1200, now: start + .milliseconds(2))
        #expect(pacer.allowance(now: start + .milliseconds(2)) == 2_000)
        #expect(pacer.allowance(now: start + .milliseconds(3)) == 12_000)
        // A smaller burst keeps no more than itself.
        _ = pacer.allowance(now: start + .milliseconds(100))
        pacer.setRate(1_000_000, maximumDatagram: 1200, now: start + .milliseconds(100))
        #expect(pacer.allowance(now: start + .milliseconds(100)) == 12_000)
    }

    @Test func timeThatStandsOrRunsBackGivesNothing() {
        var pacer = pacer(rate: 1_000_000)
        pacer.onSent(bytes: 12_000, now: start)
        #expect(pacer.allowance(now: start - .seconds(1)) == 0)
        #expect(pacer.allowance(now: start) == 0)
        #expect(pacer.allowance(now: start + .milliseconds(1)) == 1_000)
    }

    /// The upper bound of the doc comment, over random operation sequences with a constant rate: every write is inside
    /// the allowance, and every pair of instants is checked.
    @Test func neverSendsMoreThanItsInequality() {
        for seed in 0..<200 {
            var random = RandomSource(seed: UInt64(seed))
            let datagram = [1200, 1472, 8972, 65_000][seed % 4]
            let rate = UInt64(1) << (10 + random.below(24)) + random.below(1_000)
            var pacer = pacer(rate: rate, datagram: datagram)
            var now = start
            var writes: [(at: Instant, bytes: Int)] = []
            for _ in 0..<120 {
                now += .nanoseconds(step(&random))
                let allowed = pacer.allowance(now: now)
                let wanted = Int(random.below(UInt64(2 * pacer.burstBytes)))
                let bytes = min(allowed, wanted)
                if bytes > 0 {
                    pacer.onSent(bytes: bytes, now: now)
                    writes.append((now, bytes))
                }
            }
            for first in writes.indices {
                var sum = 0
                for last in first..<writes.count {
                    sum += writes[last].bytes
                    let span = (writes[last].at - writes[first].at).nanoseconds
                    let given = given(rate, span)
                    #expect(sum <= given + pacer.burstBytes, "seed \(seed) writes \(first)...\(last)")
                }
            }
        }
    }

    /// The same with rates that change: the bound is the integral of the rate and the largest burst.
    @Test func neverSendsMoreWhenTheRateChanges() {
        for seed in 0..<200 {
            var random = RandomSource(seed: UInt64(1_000 + seed))
            var pacer = Pacer(maximumDatagram: 1200, now: start)
            var now = start
            var largestBurst = pacer.burstBytes
            var allowedUnits = 0.0
            var sum = 0
            for _ in 0..<300 {
                let span = step(&random)
                allowedUnits += Double(pacer.rateBytesPerSecond) * Double(span) / 1e9
                now += .nanoseconds(span)
                if random.chance(0.3) {
                    let rate = UInt64(1) << (10 + random.below(24))
                    pacer.setRate(rate, maximumDatagram: [1200, 1472][Int(random.below(2))], now: now)
                    largestBurst = max(largestBurst, pacer.burstBytes)
                }
                let bytes = min(pacer.allowance(now: now), Int(random.below(200_000)))
                pacer.onSent(bytes: bytes, now: now)
                sum += bytes
                #expect(Double(sum) <= allowedUnits + Double(largestBurst) + 1, "seed \(seed)")
            }
        }
    }

    /// The lower bound: a sender that always has data and obeys `nextSendTime` loses nothing.
    @Test func aBusySenderGetsTheWholeRate() {
        for seed in 0..<100 {
            var random = RandomSource(seed: UInt64(2_000 + seed))
            let rate = UInt64(1) << (12 + random.below(22)) + random.below(1_000)
            var pacer = pacer(rate: rate)
            var now = start
            var sum = 0
            for _ in 0..<300 {
                let wanted = 1 + Int(random.below(UInt64(pacer.burstBytes)))
                let time = pacer.nextSendTime(bytes: wanted, now: now)
                #expect(time >= now)
                now = time
                #expect(pacer.allowance(now: now) >= wanted, "seed \(seed)")
                pacer.onSent(bytes: wanted, now: now)
                sum += wanted
            }
            #expect(sum >= given(rate, (now - start).nanoseconds), "seed \(seed)")
        }
    }

    @Test func anyInputIsTaken() {
        var random = RandomSource(seed: 7)
        let extremes: [Int] = [.min, -1, 0, 1, 1200, 65_000, .max]
        var pacer = Pacer(maximumDatagram: .max, now: .zero)
        for _ in 0..<5_000 {
            let value = extremes[Int(random.below(7))]
            let now = Instant(nanoseconds: Int64(extremes[Int(random.below(7))]))
            switch random.below(4) {
            case 0:
                let rate: UInt64 = [0, 1, 1 << 40, .max][Int(random.below(4))]
                pacer.setRate(rate, maximumDatagram: value, now: now)
            case 1: pacer.onSent(bytes: value, now: now)
            case 2: #expect(pacer.nextSendTime(bytes: value, now: now) >= now)
            default:
                let allowed = pacer.allowance(now: now)
                #expect(allowed >= 0 && allowed <= pacer.burstBytes)
            }
        }
    }

    @Test func layout() {
        #expect(MemoryLayout<Pacer>.stride == 40)
    }

    /// Nanoseconds to the next operation: none, a tick, or up to some milliseconds.
    private func step(_ random: inout RandomSource) -> Int64 {
        switch random.below(4) {
        case 0: 0
        case 1: Int64(random.below(1_000))
        case 2: Int64(random.below(1_000_000))
        default: Int64(random.below(20_000_000))
        }
    }

    /// Whole bytes that `rate` gives in `nanoseconds`.
    private func given(_ rate: UInt64, _ nanoseconds: Int64) -> Int {
        let product = rate.multipliedFullWidth(by: UInt64(nanoseconds))
        return Int(UInt64(1_000_000_000).dividingFullWidth(product).quotient)
    }
}
