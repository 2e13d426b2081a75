import DXSimulator
import DXStream
import DXWire
import Testing

/// Packets of several datagrams: many on a path that loses nothing, few on one that does.
@Suite struct LargePacketTests {
    private func transfer(
        _ byteCount: UInt64, largest: Int, upward: [any Node], seed: UInt64, log: FlowLog?
    ) throws -> (pair: Pair, took: Interval) {
        var setup = Pair.Setup()
        setup.seed = seed
        setup.log = log
        setup.lower.maximumPacket = largest
        setup.upper.maximumPacket = 16_384
        setup.lower.maximumDatagram = 1_472
        var plan = TrafficPlan()
        plan.streams = [.bulk(byteCount)]
        let start = setup.clock.now
        let pair = try Pair(
            setup,
            upward: .steady(megabitsPerSecond: 200, delay: .milliseconds(2), queue: .milliseconds(20), upward),
            downward: .steady(megabitsPerSecond: 200, delay: .milliseconds(2), queue: .milliseconds(20)),
            lower: Traffic(plan, role: .lower, seed: seed, start: start),
            upper: Traffic(plan, role: .upper, seed: seed, start: start))
        try pair.runUntilDone()
        return (pair, pair.now - start)
    }

    @Test func manyOnACleanPath() throws {
        try Replay.run("LargePacketTests") { seed, log in
            let (pair, _) = try transfer(20_000_000, largest: 16_384, upward: [], seed: seed, log: log)
            let statistics = pair.lower.channel.pathSnapshots[0].statistics
            // Whole ones would be 14,000. Queues that overflow at the end of slow start cost some rounds of small ones.
            #expect(statistics.packetsSent < 7_000, "\(statistics)")
            #expect(statistics.packetsFragmented > 1_000, "\(statistics)")
            // What the peer takes counts, not what it sends.
            #expect(pair.upper.channel.pathSnapshots[0].statistics.packetsFragmented == 0)
        }
    }

    @Test func noneWhereTheySaySo() throws {
        let (pair, _) = try transfer(2_000_000, largest: 0, upward: [], seed: 1, log: nil)
        #expect(pair.lower.channel.pathSnapshots[0].statistics.packetsFragmented == 0)
    }

    /// A loss of one datagram in a hundred must not become one of one packet in ten.
    @Test(arguments: [0.001, 0.01, 0.05]) func fewWhereDatagramsAreLost(rate: Double) throws {
        let loss = { RandomLoss(rate, random: RandomSource(seed: 7)) }
        let (large, tookLarge) = try transfer(4_000_000, largest: 16_384, upward: [loss()], seed: 1, log: nil)
        let (small, tookSmall) = try transfer(4_000_000, largest: 0, upward: [loss()], seed: 1, log: nil)
        let resent = large.lower.channel.statistics.streamBytesRetransmitted
        let resentSmall = small.lower.channel.statistics.streamBytesRetransmitted
        // Among a thousand datagrams without a loss some packets are large; what a loss costs then is bounded.
        #expect(resent < resentSmall * 4 + 100_000, "\(resent) bytes again, \(resentSmall) without large packets")
        #expect(tookLarge < tookSmall * 3 / 2, "\(tookLarge), \(tookSmall) without large packets")
    }

    /// The path's MTU falls while packets have several datagrams.
    @Test func aBlackHoleIsFoundByFragmentsToo() throws {
        try Replay.run("LargePacketTests") { seed, log in
            let start = VirtualClock().now
            let limit = MTULimit([
                (from: Instant.zero, payloadByteCount: 1_472),
                (from: start + .milliseconds(400), payloadByteCount: 1_300),
            ])
            let (pair, took) = try transfer(20_000_000, largest: 16_384, upward: [limit], seed: seed, log: log)
            let path = pair.lower.channel.pathSnapshots[0]
            #expect(path.statistics.blackHoles >= 1 && path.mtu <= 1_300)
            #expect(took < .seconds(4), "took \(took)")
        }
    }
}
