import DXSimulator
import DXStream
import DXWire
import NIOCore
import Testing

/// How channels end.
@Suite struct CloseTests {
    private func pair(
        seed: UInt64 = 1, _ plan: TrafficPlan, trouble: (up: [any Node], down: [any Node]) = ([], [])
    ) throws -> Pair {
        var setup = Pair.Setup()
        setup.seed = seed
        let start = setup.clock.now
        return try Pair(
            setup,
            upward: .steady(megabitsPerSecond: 20, delay: .milliseconds(20), queue: .milliseconds(50), trouble.up),
            downward: .steady(megabitsPerSecond: 20, delay: .milliseconds(20), queue: .milliseconds(50), trouble.down),
            lower: Traffic(plan, role: .lower, seed: seed, start: start),
            upper: Traffic(plan, role: .upper, seed: seed, start: start))
    }

    private static var busy: TrafficPlan {
        var plan = TrafficPlan()
        plan.streams = [.bulk(5_000_000, from: .lower), .bulk(5_000_000, from: .upper)]
        return plan
    }

    private static func close(_ host: Host, _ pair: Pair) {
        host.channel.close(.shutdown, reason: "the gateway is stopping", now: pair.now)
        host.wake(pair.now)
    }

    @Test func closeWithDataOutstandingEndsBothEndsSoon() throws {
        let pair = try pair(Self.busy)
        try pair.run(for: .milliseconds(700))
        Self.close(pair.lower, pair)
        let start = pair.now
        try pair.run(until: { $0.hosts.allSatisfy { $0.channel.isClosed } })
        #expect(pair.now - start < .seconds(1), "\(pair.now - start)")
        #expect(pair.lower.end == ChannelEnd(code: .shutdown, reason: "the gateway is stopping", cause: .local))
        #expect(pair.upper.end == ChannelEnd(code: .shutdown, reason: "the gateway is stopping", cause: .peer))
        // A closed channel does nothing more, for ever.
        let timeouts = pair.hosts.map { $0.channel.nextTimeout }
        #expect(timeouts == [nil, nil])
    }

    /// The CLOSE is repeated for what still arrives, so a lossy link does not keep the other end waiting.
    @Test func closeGetsThroughALossyLink() throws {
        try Replay.run("CloseTests", seeds: Replay.seeds(count: 30)) { seed, _ in
            var random = RandomSource(seed: seed)
            let trouble: ([any Node], [any Node]) = (
                [RandomLoss(0.3, random: RandomSource(seed: random.next()))],
                [RandomLoss(0.3, random: RandomSource(seed: random.next()))]
            )
            let pair = try pair(seed: seed, Self.busy, trouble: trouble)
            try pair.run(for: .milliseconds(700))
            Self.close(pair.lower, pair)
            let start = pair.now
            try pair.run(until: { $0.hosts.allSatisfy { $0.channel.isClosed } })
            // The idle timeout (60 s) is what remains when every CLOSE was lost.
            try SimulationFailure.unless(pair.now - start < .seconds(64), "took \(pair.now - start)")
        }
    }

    /// Both close at once: neither answers the other for ever.
    @Test func bothCloseAtOnce() throws {
        let pair = try pair(Self.busy)
        try pair.run(for: .milliseconds(700))
        Self.close(pair.lower, pair)
        Self.close(pair.upper, pair)
        let before = pair.upward.enteredCount + pair.downward.enteredCount
        try pair.run(until: { $0.hosts.allSatisfy { $0.channel.isClosed } })
        let sent = pair.upward.enteredCount + pair.downward.enteredCount - before
        #expect(sent < 40, "\(sent) packets to close")
    }

    /// Commands on a channel that has ended are refused or do nothing.
    @Test func commandsAfterTheEnd() throws {
        let pair = try pair(Self.busy)
        try pair.run(for: .milliseconds(700))
        Self.close(pair.lower, pair)
        try pair.run(until: { $0.hosts.allSatisfy { $0.channel.isClosed } })
        let now = pair.now
        for host in pair.hosts {
            let id = StreamID(index: 0, role: .lower)
            #expect(throws: StreamError.channelClosed) {
                try host.channel.openStream(internalPort: 1, streamClass: .bulk, share: 1, now: now)
            }
            #expect(throws: (any Error).self) { try host.channel.sendControl(ByteBuffer(string: "x"), now: now) }
            #expect(throws: (any Error).self) {
                try host.channel.sendMessage(flow: 1, ByteBuffer(string: "x"), now: now)
            }
            host.channel.reset(id, code: .aborted, now: now)
            host.channel.stop(id, code: .aborted, now: now)
            host.channel.close(.none, reason: "", now: now)
            host.channel.timeoutFired(now: now)
            _ = host.channel.read(id, now: now)
            _ = host.channel.writableByteCount(id)
            let event = host.channel.pollEvent()
            #expect(event == nil)
            let timeout = host.channel.nextTimeout
            #expect(timeout == nil)
        }
    }
}
