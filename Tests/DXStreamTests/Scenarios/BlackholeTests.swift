import DXSimulator
import DXStream
import DXWire
import Testing

/// The network carries nothing for a while, and then again.
@Suite struct BlackholeTests {
    @Test(arguments: [500, 3_000, 20_000] as [Int64]) func transferGoesOnSoonAfterwards(milliseconds: Int64) throws {
        try Replay.run("BlackholeTests") { seed, log in
            var setup = Pair.Setup()
            setup.seed = seed
            setup.log = log
            let start = setup.clock.now
            let from = start + .milliseconds(700)
            let until = from + .milliseconds(milliseconds)
            var plan = TrafficPlan()
            plan.streams = [.bulk(2_000_000, from: .lower), .bulk(2_000_000, from: .upper)]
            let pair = try Pair(
                setup,
                upward: .steady(
                    megabitsPerSecond: 20, delay: .milliseconds(20), queue: .milliseconds(50),
                    [Blackhole([from..<until])]),
                downward: .steady(
                    megabitsPerSecond: 20, delay: .milliseconds(20), queue: .milliseconds(50),
                    [Blackhole([from..<until])]),
                lower: Traffic(plan, role: .lower, seed: seed, start: start),
                upper: Traffic(plan, role: .upper, seed: seed, start: start))
            try pair.runUntilDone()
            // Backoff doubles, so the first probe after the hole comes at most as late again as the hole was long, and
            // never later than the largest backoff of 64 probe timeouts.
            let wait = min(Interval.milliseconds(milliseconds), .milliseconds(64 * 150))
            let bound = until + wait + .milliseconds(3_000)
            #expect(pair.now <= bound, "over at \(pair.now), hole ended at \(until)")
            let hole = Int(milliseconds)
            for host in pair.hosts where hole >= 3_000 {
                #expect(host.pathEvents.contains(.pathSuspect(PathID(count: 0, role: .lower))))
            }
        }
    }

    /// While nothing comes back, a channel sends less and less.
    @Test func probesBackOff() throws {
        var setup = Pair.Setup()
        setup.lower.idleTimeout = nil
        setup.upper.idleTimeout = nil
        let start = setup.clock.now
        var plan = TrafficPlan()
        plan.streams = [.bulk(50_000_000)]
        let hole = Blackhole([start + .seconds(1)..<start + .seconds(1_000)])
        let pair = try Pair(
            setup,
            upward: .steady(megabitsPerSecond: 20, delay: .milliseconds(20), queue: .milliseconds(50), [hole]),
            downward: .steady(megabitsPerSecond: 20, delay: .milliseconds(20), queue: .milliseconds(50)),
            lower: Traffic(plan, role: .lower, seed: 1, start: start),
            upper: Traffic(plan, role: .upper, seed: 1, start: start))
        try pair.run(for: .seconds(3))
        let before = pair.lower.channel.pathSnapshots[0].statistics.packetsSent
        try pair.run(for: .seconds(300))
        let sent = pair.lower.channel.pathSnapshots[0].statistics.packetsSent - before
        // Two packets per probe timeout of about 64 times 150 ms.
        #expect(sent < 150, "\(sent) packets in 300 s")
        #expect(sent > 10, "\(sent) packets in 300 s: it would not notice that the path is back")
    }
}
