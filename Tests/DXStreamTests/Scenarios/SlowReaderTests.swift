import DXSimulator
import DXStream
import DXWire
import Testing

/// A reader that does not read stops its own stream and nothing else.
@Suite struct SlowReaderTests {
    @Test func aSlowReaderLeavesTheFastOneAlone() throws {
        try Replay.run("SlowReaderTests") { _, log in try Self.slowBesideFast(log) }
    }

    private static func slowBesideFast(_ log: FlowLog?) throws {
        let start = VirtualClock().now
        var setup = Pair.Setup()
        setup.log = log
        setup.upper.receiveMemory = 2 << 20
        setup.upper.initialStreamWindow = 64 << 10
        setup.lower.sendMemory = 2 << 20
        var slow = TrafficPlan.StreamPlan.bulk(3_000_000)
        // Not before the fast one is through.
        slow.forward.readPause = .seconds(200)
        var plan = TrafficPlan()
        plan.streams = [slow, .bulk(3_000_000)]
        let upper = Traffic(plan, role: .upper, seed: 1, start: start)
        let pair = try Pair(
            setup, upward: .steady(megabitsPerSecond: 20, delay: .milliseconds(10), queue: .milliseconds(50)),
            downward: .steady(megabitsPerSecond: 20, delay: .milliseconds(10), queue: .milliseconds(50)),
            lower: Traffic(plan, role: .lower, seed: 1, start: start), upper: upper)
        try pair.run(until: { _ in upper.streams[1].receivingEnd != nil })
        // 3 MB at 20 Mbit/s are 1.2 s, and a part of the first window goes to the slow one.
        #expect(pair.now - start < .seconds(2), "the fast stream took \(pair.now - start)")
        #expect(upper.streams[0].readByteCount < 1_000_000)
        let held = pair.upper.channel.heldByteCount
        #expect(held <= 2 << 20, "the receiver holds \(held)")
        try pair.run(for: .seconds(5))
        // The slow stream came to a stop at its window, and the sender holds what it said it would.
        #expect(pair.lower.channel.heldByteCount <= 2 << 20)
        let sent = pair.lower.channel.statistics.streamBytesSent
        try pair.run(for: .seconds(2))
        #expect(pair.lower.channel.statistics.streamBytesSent == sent, "nothing moves while nobody reads")
    }

    /// Whatever many readers leave unread, the channel's window bounds it.
    @Test func manyUnreadStreamsStayWithinTheBudget() throws {
        let start = VirtualClock().now
        var setup = Pair.Setup()
        setup.upper.receiveMemory = 300_000
        setup.upper.initialStreamWindow = 64 << 10
        setup.lower.sendMemory = 1 << 20
        var plan = TrafficPlan()
        for _ in 0..<50 {
            var stream = TrafficPlan.StreamPlan.bulk(100_000)
            stream.forward.readPause = .seconds(60)
            plan.streams.append(stream)
        }
        let pair = try Pair(
            setup, upward: .steady(megabitsPerSecond: 50, delay: .milliseconds(10), queue: .milliseconds(50)),
            downward: .steady(megabitsPerSecond: 50, delay: .milliseconds(10), queue: .milliseconds(50)),
            lower: Traffic(plan, role: .lower, seed: 1, start: start),
            upper: Traffic(plan, role: .upper, seed: 1, start: start))
        try pair.runUntilDone()
        #expect(pair.upper.largestHeldByteCount <= 300_000, "\(pair.upper.largestHeldByteCount)")
        #expect(pair.lower.largestHeldByteCount <= 1 << 20 + 50 * 4_096, "\(pair.lower.largestHeldByteCount)")
    }
}
