import DXSimulator
import DXStream
import DXWire
import Testing

/// The path's MTU falls in the middle of a transfer, without any ICMP.
@Suite struct MTUShrinkTests {
    @Test(arguments: [(8_972, 1_472), (8_972, 1_200), (1_472, 1_372)])
    func blackHoleIsFoundAndTheTransferGoesOn(before: Int, after: Int) throws {
        try Replay.run("MTUShrinkTests") { seed, log in
            let pair = try pair(seed: seed, log: log, before: before, after: after, byteCount: 4_000_000)
            try pair.run(for: .milliseconds(900))
            let found = pair.lower.channel.pathSnapshots[0].mtu
            // Discovery ends within a fiftieth of what passes.
            #expect(found <= before && found >= before - before / 50 - 16, "\(found) of \(before)")
            let start = pair.now
            try pair.runUntilDone()
            let path = pair.lower.channel.pathSnapshots[0]
            #expect(path.statistics.blackHoles >= 1)
            #expect(path.mtu <= after)
            // Undisturbed it would take 3.2 s in all.
            #expect((pair.now - start) < .seconds(8), "took \(pair.now - start)")
        }
    }

    /// A while later the size is searched anew.
    @Test func sizeGrowsAgain() throws {
        let pair = try pair(seed: 1, log: nil, before: 1_472, after: 1_372, byteCount: 2_000_000)
        try pair.runUntilDone()
        try pair.run(for: .seconds(120))
        let mtu = pair.lower.channel.pathSnapshots[0].mtu
        #expect(mtu > 1_340 && mtu <= 1_372, "\(mtu)")
    }

    /// A sender of little, whose every packet is large, finds the black hole too.
    @Test func aQuietSenderFindsItToo() throws {
        let start = VirtualClock().now
        var setup = Pair.Setup()
        setup.lower.idleTimeout = nil
        setup.upper.idleTimeout = nil
        var plan = TrafficPlan()
        var stream = TrafficPlan.StreamPlan.bulk(400_000)
        stream.forward.writeSize = 1_400...1_400
        stream.forward.writePause = .milliseconds(400)
        plan.streams = [stream]
        let limit = [
            (from: Instant.zero, payloadByteCount: 1_472), (from: start + .seconds(5), payloadByteCount: 1_300),
        ]
        let pair = try Pair(
            setup, upward: Link([MTULimit(limit), Delay(.milliseconds(20))]),
            downward: Link([Delay(.milliseconds(20))]),
            lower: Traffic(plan, role: .lower, seed: 1, start: start),
            upper: Traffic(plan, role: .upper, seed: 1, start: start))
        try pair.runUntilDone()
        #expect(pair.lower.channel.pathSnapshots[0].mtu <= 1_300)
        // Half of 286 writes pause for 200 ms on average: 29 s.
        #expect(pair.now - start < .seconds(45), "took \(pair.now - start)")
    }

    private func pair(seed: UInt64, log: FlowLog?, before: Int, after: Int, byteCount: UInt64) throws -> Pair {
        var setup = Pair.Setup()
        setup.seed = seed
        setup.log = log
        let start = setup.clock.now
        let limit = [
            (from: Instant.zero, payloadByteCount: before), (from: start + .seconds(1), payloadByteCount: after),
        ]
        var plan = TrafficPlan()
        plan.streams = [.bulk(byteCount)]
        return try Pair(
            setup,
            upward: .steady(
                megabitsPerSecond: 10, delay: .milliseconds(10), queue: .milliseconds(60), [MTULimit(limit)]),
            downward: .steady(megabitsPerSecond: 10, delay: .milliseconds(10), queue: .milliseconds(60)),
            lower: Traffic(plan, role: .lower, seed: seed, start: start),
            upper: Traffic(plan, role: .upper, seed: seed, start: start))
    }
}
