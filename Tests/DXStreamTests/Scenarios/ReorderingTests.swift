import DXSimulator
import DXStream
import DXWire
import Testing

/// Datagrams that overtake one another, on a link that loses nothing.
@Suite struct ReorderingTests {
    /// The tolerance of loss detection grows with what it sees: few packets are sent twice, and a reduction that was for
    /// nothing is taken back.
    @Test(arguments: [2, 5, 15] as [Int64]) func costsLittle(milliseconds: Int64) throws {
        try Replay.run("ReorderingTests", seeds: Replay.seeds(count: 3)) { seed, log in
            var setup = Pair.Setup()
            setup.seed = seed
            setup.log = log
            // Ethernet: what is 15 ms late is overtaken by 26 packets of 1,452 bytes at 20 Mbit/s.
            setup.lower.maximumDatagram = 1_452
            setup.upper.maximumDatagram = 1_452
            let start = setup.clock.now
            var plan = TrafficPlan()
            plan.streams = [.bulk(6_000_000)]
            let reorder = Reorder(0.05, by: .milliseconds(milliseconds), random: RandomSource(seed: seed))
            let pair = try Pair(
                setup,
                upward: .steady(
                    megabitsPerSecond: 20, delay: .milliseconds(20), queue: .milliseconds(200), [reorder]),
                downward: .steady(megabitsPerSecond: 20, delay: .milliseconds(20), queue: .milliseconds(50)),
                lower: Traffic(plan, role: .lower, seed: seed, start: start),
                upper: Traffic(plan, role: .upper, seed: seed, start: start))
            try pair.runUntilDone()
            let path = pair.lower.channel.pathSnapshots[0].statistics
            let dropped = UInt64(pair.upward.dropCount + pair.upper.replayDroppedCount)
            try SimulationFailure.unless(
                reorder.delayedCount > 150, "only \(reorder.delayedCount) datagrams were reordered")
            let wrong = path.packetsLost - min(path.packetsLost, dropped)
            try SimulationFailure.unless(
                wrong <= 25 && wrong <= path.packetsSpuriouslyLost + dropped + 2,
                "\(path.packetsLost) declared lost, \(path.packetsSpuriouslyLost) spuriously; \(dropped) were")
            // 6 MB at 20 Mbit/s take 2.4 s.
            try SimulationFailure.unless(pair.now - start < .milliseconds(3_000), "took \(pair.now - start)")
        }
    }
}
