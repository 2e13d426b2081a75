import DXSimulator
import DXStream
import DXWire
import Synchronization
import Testing

/// A gateway that knows that it has another address, and one that was away.
@Suite struct MovingTests {
    private static let newAddress: UInt32 = 77
    private static let path = PathID(count: 0, role: .lower)

    private func pair(
        seed: UInt64, sender: ChannelRole, byteCount: UInt64 = 2_000_000, hole: Range<Instant>? = nil,
        configure: (inout ChannelConfiguration) -> Void = { _ in }
    ) throws -> Pair {
        var setup = Pair.Setup()
        setup.seed = seed
        configure(&setup.lower)
        configure(&setup.upper)
        let start = setup.clock.now
        var plan = TrafficPlan()
        if byteCount > 0 { plan.streams = [.bulk(byteCount, from: sender)] }
        return try Pair(
            setup,
            upward: .steady(
                megabitsPerSecond: 10, delay: .milliseconds(20), queue: .milliseconds(60),
                hole.map { [Blackhole([$0])] } ?? []),
            downward: .steady(
                megabitsPerSecond: 10, delay: .milliseconds(20), queue: .milliseconds(60),
                hole.map { [Blackhole([$0])] } ?? []),
            lower: Traffic(plan, role: .lower, seed: seed, start: start),
            upper: Traffic(plan, role: .upper, seed: seed, start: start))
    }

    /// Whoever sends, the peer knows the new address a round trip later, and the transfer costs little more than undisturbed (1.7 s).
    @Test(arguments: [ChannelRole.lower, .upper]) func theTransferGoesOnAtOnce(sender: ChannelRole) throws {
        try Replay.run("MovingTests") { seed, _ in
            let pair = try pair(seed: seed, sender: sender)
            var provedAfter: Interval?
            pair.after(.milliseconds(500)) { pair in
                pair.lower.address = Self.newAddress
                pair.lower.channel.pathMoved(Self.path, now: pair.now)
                pair.lower.wake(pair.now)
            }
            let moved = pair.now + .milliseconds(500)
            try pair.run(until: { $0.upper.remote(of: Self.path) == Self.newAddress })
            provedAfter = pair.now - moved
            try pair.runUntilDone()
            // To the peer, challenge and answer: one and a half round trips of 40 ms, and what stands in the queue.
            #expect(provedAfter.map { $0 <= .milliseconds(250) } == true, "\(String(describing: provedAfter))")
            #expect(pair.now - VirtualClock().now < .milliseconds(3_200), "over at \(pair.now)")
        }
    }

    /// What the peer sends until the new address has proved itself goes to the old one, and is sent again at once.
    @Test func whatWentToTheOldAddressIsSentAgain() throws {
        let silences = Mutex<[Interval]>([])
        try Replay.run("MovingTests/whatWentToTheOldAddressIsSentAgain", seeds: Replay.seeds(count: 8)) { seed, _ in
            let pair = try pair(seed: seed, sender: .upper)
            var random = RandomSource(seed: seed)
            let pause = Interval.milliseconds(Int64(500 + random.below(200)))
            pair.after(pause) { pair in
                pair.lower.address = Self.newAddress
                pair.lower.channel.pathMoved(Self.path, now: pair.now)
                pair.lower.wake(pair.now)
            }
            try pair.run(for: pause)
            var (longest, last) = (Interval.zero, pair.now)
            var read = pair.lower.channel.statistics.streamBytesReceived
            while pair.lower.channel.statistics.streamBytesReceived < 1_900_000 {
                try pair.run(for: .milliseconds(5))
                let now = pair.lower.channel.statistics.streamBytesReceived
                if now != read { (read, last) = (now, pair.now) }
                longest = max(longest, pair.now - last)
                try SimulationFailure.unless(longest < .seconds(10), "nothing comes any more")
            }
            silences.withLock { $0.append(longest) }
        }
        let all = silences.withLock { $0.sorted() }
        // A round trip of 40 ms and the queue; 235 ms where the probe timeout is waited for.
        #expect(try #require(all.last) <= .milliseconds(150), "\(all)")
    }

    /// Nothing is on the way: one probe tells the peer.
    @Test func anIdleGatewayTellsTheOtherAtOnce() throws {
        let pair = try pair(seed: 5, sender: .lower, byteCount: 0)
        try pair.run(for: .seconds(3))
        pair.after(.zero) { pair in
            pair.lower.address = Self.newAddress
            pair.lower.channel.pathMoved(Self.path, now: pair.now)
            pair.lower.wake(pair.now)
        }
        try pair.run(for: .milliseconds(150))
        #expect(pair.upper.remote(of: Self.path) == Self.newAddress)
    }

    /// Away for longer than the idle timeout by its own clock: the peer, which still holds the channel, is asked first.
    @Test func whoWasAwayAsksBeforeItGivesUp() throws {
        let pair = try pair(seed: 6, sender: .lower, byteCount: 0) {
            $0.keepalive = nil
            $0.idleTimeout = .seconds(30)
        }
        let start = pair.now
        pair.after(.seconds(29)) { pair in
            pair.lower.channel.resumed(now: pair.now)
            pair.lower.wake(pair.now)
        }
        try pair.run(for: .seconds(45))
        for host in pair.hosts { #expect(host.end == nil, "\(host.name)") }
        // Heard at 29 s, nothing since: it ends for both, each for itself.
        try pair.run(until: { $0.hosts.allSatisfy { $0.channel.isClosed } })
        #expect(pair.now - start >= .seconds(59), "\(pair.now - start)")
    }

    /// A peer that is back after a silence is sent to at once, not when the next probe of a long row is due.
    @Test func aPeerThatIsHeardAgainIsSentTo() throws {
        let start = VirtualClock().now
        let pair = try pair(seed: 7, sender: .upper, hole: start + .milliseconds(500)..<start + .milliseconds(8_500))
        pair.after(.milliseconds(8_600)) { pair in
            pair.lower.channel.resumed(now: pair.now)
            pair.lower.wake(pair.now)
        }
        try pair.runUntilDone()
        // A second or so of the transfer is left. The next probe would have come after 12 s.
        #expect(pair.now - start < .seconds(11), "over at \(pair.now)")
    }
}
