import DXSimulator
import DXStream
import DXWire
import Testing

/// What a stream's progress says while the network or an application holds it up.
@Suite struct StreamProgressTests {
    private let stream = StreamID(index: 0, role: .lower)

    private func link(_ impairments: [Blackhole] = []) -> Link {
        .steady(megabitsPerSecond: 20, delay: .milliseconds(10), queue: .milliseconds(50), impairments)
    }

    private func progress(_ host: Host) throws -> DXStream.StreamProgress {
        let found = host.channel.progress(of: stream)
        return try #require(found)
    }

    @Test func inABlackHoleBytesWaitAndNothingMoves() throws {
        let setup = Pair.Setup()
        let start = setup.clock.now
        let hole = Blackhole([start + .seconds(1)..<start + .seconds(5)])
        var plan = TrafficPlan()
        plan.streams = [.bulk(50_000_000)]
        let pair = try Pair(
            setup, upward: link([hole]), downward: link([hole]),
            lower: Traffic(plan, role: .lower, seed: 1, start: start),
            upper: Traffic(plan, role: .upper, seed: 1, start: start))
        try pair.run(for: .milliseconds(900))
        let early = try progress(pair.lower)
        #expect(early.isOpen && early.moved > 0 && early.received == 0)
        try pair.run(for: .milliseconds(300))
        let cut = try progress(pair.lower)
        #expect(cut.moved > early.moved && cut.waiting > 0)
        try pair.run(for: .seconds(2))
        let later = try progress(pair.lower)
        #expect(later.moved == cut.moved && later.waiting > 0)
        // At the other end as much has come at least as is acknowledged, and it was read.
        let other = try progress(pair.upper)
        #expect(other.received >= cut.moved && other.moved == other.received && other.unread == 0)
        #expect(other.waiting == 0)
        try pair.run(for: .seconds(10))
        #expect(try progress(pair.lower).moved > cut.moved)
        let none = pair.lower.channel.progress(of: StreamID(index: 9, role: .lower))
        #expect(none == nil)
    }

    /// Nobody reads at the other end: what waits there is unread, and what its window does not let go is not waiting here.
    @Test func anApplicationThatDoesNotReadIsTold() throws {
        let setup = Pair.Setup()
        let start = setup.clock.now
        var plan = TrafficPlan()
        var slow = TrafficPlan.StreamPlan.bulk(3_000_000)
        slow.forward.readPause = .seconds(200)
        plan.streams = [slow]
        let pair = try Pair(
            setup, upward: link(), downward: link(), lower: Traffic(plan, role: .lower, seed: 1, start: start),
            upper: Traffic(plan, role: .upper, seed: 1, start: start))
        try pair.run(for: .seconds(20))
        #expect(try progress(pair.upper).unread > 0)
        #expect(try progress(pair.lower).waiting == 0)
    }

    /// A half that was reset has nothing on the way any more, though not all that was written was ever sent.
    @Test func aResetHalfHasNothingOnTheWay() throws {
        let setup = Pair.Setup()
        let start = setup.clock.now
        var plan = TrafficPlan()
        plan.streams = [.bulk(50_000_000)]
        let pair = try Pair(
            setup, upward: link(), downward: link(), lower: Traffic(plan, role: .lower, seed: 1, start: start),
            upper: Traffic(plan, role: .upper, seed: 1, start: start))
        try pair.run(for: .milliseconds(300))
        let before = try progress(pair.lower)
        #expect(before.waiting > 0 && before.unacknowledged > before.waiting / 2)
        pair.lower.channel.reset(stream, code: .aborted, now: pair.now)
        let after = try progress(pair.lower)
        #expect(after.waiting == 0 && after.unacknowledged == 0 && after.moved >= before.moved)
    }
}
