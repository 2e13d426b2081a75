import DXWire
import Testing

@testable import DXTunnel

@Suite struct TargetHealthTests {
    private let settings = TargetHealth.Settings(
        interval: .seconds(5), timeout: .seconds(2), rise: 2, fall: 2)

    /// A target under checks on virtual time.
    private struct Bench {
        var health: TargetHealth
        var now = Instant.zero + .seconds(100)
        var random = RandomSource(seed: 1)
        var changes: [TargetHealth.State] = []

        init(_ settings: TargetHealth.Settings?) {
            health = TargetHealth(settings)
            health.start(now: now)
        }

        mutating func note() { if health.takeChange() { changes.append(health.state) } }

        /// Lets time pass until a check is due, and answers it.
        mutating func check(_ failure: String?) {
            for _ in 0..<4 {
                if let number = health.takeCheck(now: now) {
                    health.checkEnded(number, failure: failure, now: now, random: &random)
                    return note()
                }
                guard let next = health.nextTimeout else { return }
                now = max(now, next)
                health.timeoutFired(now: now, random: &random)
                note()
            }
        }
    }

    @Test func theFirstWordCountsAtOnce() {
        var bench = Bench(settings)
        #expect(bench.health.state == .unknown)
        bench.check(nil)
        #expect(bench.health.state == .up)
        #expect(bench.changes == [.up])
    }

    /// That a gateway has no descriptor for a check says nothing of the target.
    @Test func aCheckThatCannotBeMadeIsNoVerdict() throws {
        var bench = Bench(settings)
        bench.check(nil)
        for _ in 0..<10 {
            bench.now = try #require(bench.health.nextTimeout)
            let due = bench.health.takeCheck(now: bench.now)
            let number = try #require(due)
            bench.health.checkAbandoned(number, now: bench.now)
            // Again when it would have been otherwise, not at once.
            #expect(bench.health.nextTimeout == bench.now + .seconds(5) && !bench.health.isChecking)
        }
        #expect(bench.health.state == .up)
    }

    /// A dead target is known within about one interval, though two failures are needed.
    @Test func fallsAfterSoManyFailuresAndSoon() {
        var bench = Bench(settings)
        bench.check(nil)
        let since = bench.now
        bench.check("refused")
        #expect(bench.health.state == .up)
        #expect(bench.health.reason == "refused")
        bench.check("refused")
        #expect(bench.health.state == .down)
        #expect(bench.now - since <= .milliseconds(5_500))
        #expect(bench.changes == [.up, .down])
    }

    @Test func risesAfterSoManySuccesses() {
        var bench = Bench(settings)
        for _ in 0..<2 { bench.check("refused") }
        #expect(bench.health.state == .down)
        bench.check(nil)
        #expect(bench.health.state == .down)
        // One that fails again begins anew.
        bench.check("refused")
        bench.check(nil)
        #expect(bench.health.state == .down)
        bench.check(nil)
        #expect(bench.health.state == .up)
        #expect(bench.health.reason == nil)
    }

    @Test func aCheckThatDoesNotEndHasFailed() {
        var bench = Bench(settings)
        for _ in 0..<2 {
            while bench.health.takeCheck(now: bench.now) == nil {
                bench.now = bench.health.nextTimeout!
                bench.health.timeoutFired(now: bench.now, random: &bench.random)
            }
            #expect(bench.health.isChecking)
            #expect(bench.health.nextTimeout == bench.now + .seconds(2))
            bench.now = bench.now + .seconds(2)
            bench.health.timeoutFired(now: bench.now, random: &bench.random)
            #expect(!bench.health.isChecking)
        }
        #expect(bench.health.state == .down)
        #expect(bench.health.reason == "no answer within 2.000s")
        // The answer that comes too late is not heard.
        bench.health.checkEnded(2, failure: nil, now: bench.now, random: &bench.random)
        #expect(bench.health.state == .down)
    }

    @Test func checksAreSpread() {
        var gaps: Set<Int64> = []
        for seed in 0..<20 as Range<UInt64> {
            var bench = Bench(settings)
            bench.random = RandomSource(seed: seed)
            let since = bench.now
            bench.check(nil)
            let gap = bench.health.nextTimeout! - since
            #expect(gap <= .seconds(5) && gap >= .milliseconds(4_375))
            gaps.insert(gap.nanoseconds)
        }
        #expect(gaps.count > 10)
    }

    /// A connection that failed brings the check forward, and decides nothing.
    @Test func aFailedConnectionBringsTheCheckForward() {
        var bench = Bench(settings)
        bench.check(nil)
        bench.now = bench.now + .seconds(1)
        bench.health.connectionFailed("refused", now: bench.now)
        #expect(bench.health.state == .up)
        #expect(bench.health.takeCheck(now: bench.now) != nil)
        // Not again while one goes on.
        bench.health.connectionFailed("refused", now: bench.now)
        #expect(bench.health.takeCheck(now: bench.now) == nil)
    }

    @Test func connectionsAloneMakeATargetDownForAWhile() {
        var bench = Bench(nil)
        #expect(bench.health.nextTimeout == nil)
        for _ in 1..<TargetHealth.passiveFall { bench.health.connectionFailed("refused", now: bench.now) }
        #expect(bench.health.state == .unknown)
        bench.health.connectionFailed("refused", now: bench.now)
        #expect(bench.health.state == .down)
        #expect(bench.health.nextTimeout == bench.now + TargetHealth.firstPause)
        // Then one connection is the check: it fails, and the pause is longer.
        bench.now = bench.health.nextTimeout!
        bench.health.timeoutFired(now: bench.now, random: &bench.random)
        #expect(bench.health.state == .unknown)
        bench.health.connectionFailed("refused", now: bench.now)
        #expect(bench.health.state == .down)
        #expect(bench.health.nextTimeout == bench.now + TargetHealth.firstPause * 2)
        bench.now = bench.health.nextTimeout!
        bench.health.timeoutFired(now: bench.now, random: &bench.random)
        bench.health.connected()
        #expect(bench.health.state == .up)
        #expect(bench.health.nextTimeout == nil)
    }

    @Test func thePauseHasALimit() {
        var bench = Bench(nil)
        for _ in 0..<TargetHealth.passiveFall { bench.health.connectionFailed("refused", now: bench.now) }
        for _ in 0..<10 {
            bench.now = bench.health.nextTimeout!
            bench.health.timeoutFired(now: bench.now, random: &bench.random)
            bench.health.connectionFailed("refused", now: bench.now)
        }
        #expect(bench.health.nextTimeout == bench.now + TargetHealth.longestPause)
    }

    @Test func whatNobodyAsksForIsForgotten() {
        var bench = Bench(settings)
        for _ in 0..<2 { bench.check("refused") }
        bench.health.stop()
        #expect(bench.health.state == .unknown)
        #expect(bench.health.nextTimeout == nil)
        bench.health.start(now: bench.now)
        bench.check(nil)
        #expect(bench.health.state == .up)
    }
}
