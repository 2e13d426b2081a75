import DXSimulator
import DXStream
import DXWire
import Testing

/// Channels on which nothing happens.
@Suite struct IdleTests {
    private func pair(
        _ plan: TrafficPlan = TrafficPlan(), upward: Link = Link([Delay(.milliseconds(20))]),
        downward: Link = Link([Delay(.milliseconds(20))]),
        _ configure: (inout ChannelConfiguration) -> Void
    ) throws -> Pair {
        var setup = Pair.Setup()
        setup.limit = .seconds(7_200)
        configure(&setup.lower)
        configure(&setup.upper)
        let start = setup.clock.now
        return try Pair(
            setup, upward: upward, downward: downward, lower: Traffic(plan, role: .lower, seed: 1, start: start),
            upper: Traffic(plan, role: .upper, seed: 1, start: start))
    }

    /// With keepalive an idle channel lives, and costs what was promised: at most 1 MB a day with IP headers.
    @Test func keepaliveKeepsTheChannel() throws {
        let pair = try pair { $0.keepalive = .seconds(20) }
        try pair.run(for: .seconds(60))
        let before = pair.upward.arrivedByteCount + pair.downward.arrivedByteCount
        try pair.run(for: .seconds(3_600))
        let bytes = pair.upward.arrivedByteCount + pair.downward.arrivedByteCount - before
        for host in pair.hosts { #expect(host.end == nil) }
        #expect(bytes > 0)
        #expect(bytes * 24 <= 1_000_000, "\(bytes) bytes an hour")
        // A NAT binding of 30 s never runs out: something passes each 30 s in both directions.
        #expect(pair.upward.arrivedCount >= 120 && pair.downward.arrivedCount >= 120)
    }

    /// Without keepalive the channel ends after the idle timeout, at both ends, each for itself.
    @Test func idleTimeoutEndsTheChannel() throws {
        let pair = try pair {
            $0.keepalive = nil
            $0.idleTimeout = .seconds(30)
        }
        let start = pair.now
        try pair.run(until: { $0.hosts.allSatisfy { $0.channel.isClosed } })
        #expect(pair.now - start >= .seconds(30) && pair.now - start <= .seconds(33), "\(pair.now - start)")
        for host in pair.hosts { #expect(host.end?.cause == .idleTimeout) }
    }

    /// The shorter of the two timeouts counts at both ends.
    @Test func theShorterIdleTimeoutCounts() throws {
        var setup = Pair.Setup()
        setup.lower.keepalive = nil
        setup.upper.keepalive = nil
        setup.lower.idleTimeout = .seconds(10)
        setup.upper.idleTimeout = .seconds(100)
        let start = setup.clock.now
        let pair = try Pair(
            setup, upward: Link([]), downward: Link([]),
            lower: Traffic(TrafficPlan(), role: .lower, seed: 1, start: start),
            upper: Traffic(TrafficPlan(), role: .upper, seed: 1, start: start))
        try pair.run(until: { $0.upper.channel.isClosed })
        #expect(pair.now - start <= .seconds(12), "\(pair.now - start)")
    }

    /// A peer that fell silent in the middle of a transfer is noticed, and what is sent meanwhile is bounded.
    @Test func aSilentPeerIsGivenUp() throws {
        var plan = TrafficPlan()
        plan.streams = [.bulk(50_000_000)]
        let hole = VirtualClock().now + .seconds(1)..<Instant.distantFuture
        let pair = try pair(
            plan, upward: .steady(megabitsPerSecond: 20, delay: .milliseconds(20), queue: .milliseconds(40)),
            downward: .steady(
                megabitsPerSecond: 20, delay: .milliseconds(20), queue: .milliseconds(40), [Blackhole([hole])])
        ) { _ in }
        try pair.run(for: .seconds(2))
        let before = pair.lower.channel.pathSnapshots[0].statistics.packetsSent
        try pair.run(until: { $0.lower.channel.isClosed })
        #expect(pair.lower.end?.cause == .idleTimeout)
        #expect(pair.now >= hole.lowerBound + .seconds(59) && pair.now <= hole.lowerBound + .seconds(63), "\(pair.now)")
        #expect(pair.lower.pathEvents.contains(.pathSuspect(PathID(count: 0, role: .lower))))
        // Timeouts double: some 10 of them in a minute, with two packets each.
        let sent = (pair.lower.channel.pathSnapshots.first?.statistics.packetsSent ?? before) - before
        #expect(sent < 60, "\(sent) packets into silence")
        // The other end got nothing either after it stopped; it ends by itself.
        try pair.run(until: { $0.upper.channel.isClosed })
        #expect(pair.upper.end?.cause == .idleTimeout)
    }

    /// Data that comes after long silence goes at once, and the whole window does not leave as one burst.
    @Test func sendingAfterSilence() throws {
        var plan = TrafficPlan()
        plan.streams = [.bulk(500_000)]
        var later = TrafficPlan.StreamPlan.bulk(500_000)
        later.opensAfter = .seconds(300)
        plan.streams.append(later)
        // Slow start left a window of 410 kB. Paced, a third of it leaves the queue before its end comes; at once it overruns.
        let bottleneck = Bottleneck(bytesPerSecond: 2_500_000, queueByteCount: 330_000)
        let pair = try pair(
            plan, upward: Link([bottleneck, Delay(.milliseconds(20))]), downward: Link([Delay(.milliseconds(20))])
        ) { _ in }
        try pair.run(for: .seconds(299))
        let drops = bottleneck.dropCount
        try pair.runUntilDone()
        #expect(pair.now - VirtualClock().now < .seconds(301), "\(pair.now)")
        #expect(bottleneck.dropCount == drops, "a burst after silence overran the queue")
    }
}
