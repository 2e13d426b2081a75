import DXSimulator
import DXStream
import DXWire
import Testing

/// A session is replaced by a new one on the same network path in the middle of transfers: make before break.
@Suite struct RekeyTests {
    @Test func losesNothingAndRepeatsNothing() throws {
        try Replay.run("RekeyTests") { seed, log in
            var setup = Pair.Setup()
            setup.seed = seed
            setup.log = log
            var plan = TrafficPlan()
            plan.streams = [.bulk(3_000_000, from: .lower), .bulk(2_000_000, from: .upper)]
            let pair = try pair(setup, plan)
            for round in 1...5 { pair.after(.milliseconds(Int64(300 * round))) { try Self.rekey($0) } }
            try pair.runUntilDone()
            try pair.run(for: .seconds(5))
            #expect(pair.upward.dropCount + pair.downward.dropCount == 0)
            for host in pair.hosts {
                #expect(host.channel.pathSnapshots.count == 1)
                #expect(host.pathIDs == [PathID(count: 5, role: .lower)])
                let retired = host.pathEvents.count { if case .pathRetired = $0 { true } else { false } }
                #expect(retired == 5)
                // Clean link, deep queue: what was on the way when the session changed was acknowledged, not sent again.
                #expect(host.channel.statistics.streamBytesRetransmitted == 0, "\(host.name)")
                #expect(host.droppedCount == 0)
            }
        }
    }

    /// The new session inherits what was measured, so the transfer does not start slowly again.
    @Test func keepsItsPace() throws {
        func time(rekeys: Int) throws -> Interval {
            var plan = TrafficPlan()
            plan.streams = [.bulk(4_000_000)]
            let pair = try pair(Pair.Setup(), plan)
            let start = pair.now
            for round in 0..<rekeys { pair.after(.milliseconds(Int64(500 + 200 * round))) { try Self.rekey($0) } }
            try pair.runUntilDone()
            return pair.now - start
        }
        let undisturbed = try time(rekeys: 0)
        let disturbed = try time(rekeys: 5)
        #expect(disturbed.milliseconds <= undisturbed.milliseconds * 115 / 100, "\(disturbed), not \(undisturbed)")
    }

    /// Under loss, reordering and duplicates too: nothing is lost, whichever session carried it.
    @Test func survivesTrouble() throws {
        try Replay.run("RekeyTests/survivesTrouble", seeds: Replay.seeds(count: 10)) { seed, log in
            var setup = Pair.Setup()
            setup.seed = seed
            setup.log = log
            var random = RandomSource(seed: seed)
            func trouble() -> [any Node] {
                [
                    RandomLoss(0.03, random: RandomSource(seed: random.next())),
                    Reorder(0.1, by: .milliseconds(15), random: RandomSource(seed: random.next())),
                    Duplicate(0.05, copyWithin: .milliseconds(50), random: RandomSource(seed: random.next())),
                ]
            }
            var plan = TrafficPlan()
            plan.streams = [.bulk(600_000, from: .lower), .bulk(400_000, from: .upper)]
            plan.controlByteCounts = (20_000, 20_000)
            let pair = try pair(setup, plan, trouble: (trouble(), trouble()))
            for round in 1...6 { pair.after(.milliseconds(Int64(100 * round))) { try Self.rekey($0) } }
            try pair.runUntilDone()
            try pair.run(for: .seconds(20))
            for host in pair.hosts {
                try SimulationFailure.unless(
                    host.channel.pathSnapshots.count == 1, "\(host.name) still has \(host.pathIDs)")
            }
        }
    }

    /// Sessions that follow one another faster than the ones before them are forgotten: those make room, and nothing is lost.
    @Test func followOneAnotherFasterThanTheyGo() throws {
        try Replay.run("RekeyTests/followOneAnotherFasterThanTheyGo", seeds: Replay.seeds(count: 3)) { seed, log in
            var setup = Pair.Setup()
            setup.seed = seed
            setup.log = log
            var plan = TrafficPlan()
            plan.streams = [.bulk(3_000_000, from: .lower), .bulk(2_000_000, from: .upper)]
            let pair = try pair(setup, plan)
            for round in 1...40 {
                pair.after(.milliseconds(Int64(2 * round))) { pair in
                    let old = pair.upper.channel.activePath
                    try Self.rekey(pair)
                    if let old { pair.upper.retirePath(old, now: pair.now) }
                }
            }
            try pair.runUntilDone()
            try pair.run(for: .seconds(5))
            for host in pair.hosts {
                #expect(host.channel.pathSnapshots.map(\.id) == [PathID(count: 40, role: .lower)])
            }
        }
    }

    /// One end has no room for a session that the other one uses: it says so, and what went that way goes over the old one.
    @Test func aSessionThatOneEndRefusesIsLeft() throws {
        let plan = TrafficPlan.steadyBothWays(400_000, pause: .milliseconds(20), keys: 40_000)
        let pair = try pair(Pair.Setup(), plan)
        let used = pair.lower.channel.activePath
        let old = try #require(used)
        pair.after(.milliseconds(300)) { try $0.addRefusedSession(inheriting: old) }
        try pair.run(for: .milliseconds(600))
        let left = pair.lower.channel.activePath
        #expect(left == old)
        try pair.runUntilDone()
        for host in pair.hosts { #expect(host.channel.pathSnapshots.map(\.id) == [old], "\(host.name)") }
    }

    private static func rekey(_ pair: Pair) throws {
        let old = pair.lower.channel.activePath
        _ = try pair.addSession(inheriting: old)
        if let old { pair.lower.retirePath(old, now: pair.now) }
    }

    private func pair(
        _ setup: Pair.Setup, _ plan: TrafficPlan, trouble: (up: [any Node], down: [any Node]) = ([], [])
    ) throws -> Pair {
        let start = setup.clock.now
        return try Pair(
            setup,
            upward: .steady(megabitsPerSecond: 20, delay: .milliseconds(15), queue: .milliseconds(300), trouble.up),
            downward: .steady(megabitsPerSecond: 20, delay: .milliseconds(15), queue: .milliseconds(300), trouble.down),
            lower: Traffic(plan, role: .lower, seed: setup.seed, start: start),
            upper: Traffic(plan, role: .upper, seed: setup.seed, start: start))
    }
}
