import DXSimulator
import DXWire
import Testing

@testable import DXStream

/// A channel that is given less of the memory that it shares.
@Suite struct MemoryPartTests {
    @Test func aWindowShrinksForWhatIsAnnouncedNext() {
        var window = ReceiveWindow(size: 1_000, maximumSize: 1_000)
        #expect(window.shrink(to: 2_000) == 0 && window.size == 1_000)
        #expect(window.shrink(to: 200) == 800 && window.size == 200)
        // What the peer was told stays.
        #expect(window.limit == 1_000 && window.onReceived(upTo: 1_000) == 1_000)
        _ = window.onConsumed(850, roundTrip: .seconds(1), growth: 0, now: Instant(nanoseconds: 1))
        #expect(!window.isAnnouncementDue, "more than half of the smaller window is left")
        _ = window.onConsumed(100, roundTrip: .seconds(1), growth: 0, now: Instant(nanoseconds: 2))
        #expect(window.isAnnouncementDue && window.limit == 950 + 200)
    }

    /// Of a channel's window what waits for slow readers is left out of account.
    @Test func whatWaitsDoesNotKeepASharedWindowShut() {
        var window = ReceiveWindow(size: 1_000, maximumSize: 1_000, isShared: true)
        #expect(window.onReceived(upTo: 1_000) == 1_000)
        // 800 wait for ever; the others have read theirs.
        _ = window.onConsumed(200, roundTrip: .seconds(1), growth: 0, now: Instant(nanoseconds: 1))
        #expect(window.isAnnouncementDue && window.limit == 1_200)
        window.isAnnouncementDue = false
        #expect(window.onReceived(upTo: 1_050) == 50)
        _ = window.onConsumed(50, roundTrip: .seconds(1), growth: 0, now: Instant(nanoseconds: 2))
        #expect(!window.isAnnouncementDue, "more than half of what is left may still be sent")
        #expect(window.onReceived(upTo: 1_150) == 100)
        _ = window.onConsumed(100, roundTrip: .seconds(1), growth: 0, now: Instant(nanoseconds: 3))
        #expect(window.isAnnouncementDue && window.limit == 1_350)
    }

    private static func pair(_ plan: TrafficPlan) throws -> Pair {
        var setup = Pair.Setup()
        setup.upper.receiveMemory = 4 << 20
        setup.upper.initialStreamWindow = 64 << 10
        setup.lower.sendMemory = 4 << 20
        let start = VirtualClock().now
        return try Pair(
            setup, upward: .steady(megabitsPerSecond: 100, delay: .milliseconds(20), queue: .milliseconds(50)),
            downward: .steady(megabitsPerSecond: 100, delay: .milliseconds(20), queue: .milliseconds(50)),
            lower: Traffic(plan, role: .lower, seed: 1, start: start),
            upper: Traffic(plan, role: .upper, seed: 1, start: start))
    }

    /// Gives both ends a part of their memory, now and every 100 ms, as a gateway does.
    private static func squeeze(_ pair: Pair, to part: Int) throws {
        for host in pair.hosts { _ = host.channel.setMemoryPart(part, of: 8, now: pair.now) }
        pair.after(.milliseconds(100)) { try squeeze($0, to: part) }
    }

    /// Readers that fall behind: eight streams, each read in bits.
    private static var slowReaders: TrafficPlan {
        var plan = TrafficPlan()
        for _ in 0..<8 {
            var stream = TrafficPlan.StreamPlan.bulk(2_000_000)
            stream.forward.readPause = .milliseconds(200)
            plan.streams.append(stream)
        }
        return plan
    }

    @Test func lessIsHeldAndEveryByteArrives() throws {
        let usual = try Self.pair(Self.slowReaders)
        try usual.runUntilDone()
        let squeezed = try Self.pair(Self.slowReaders)
        try Self.squeeze(squeezed, to: 1)
        try squeezed.runUntilDone()
        let (more, less) = (usual.upper.largestHeldByteCount, squeezed.upper.largestHeldByteCount)
        #expect(less < more / 2, "\(less) of \(more)")
        #expect(squeezed.lower.largestHeldByteCount < usual.lower.largestHeldByteCount)
    }

    /// Streams that nobody reads keep what they hold; others go on in what is left, however small the part. Also where they hold more
    /// than half of all, and nothing is short.
    @Test(arguments: [1, 8])
    func unreadStreamsDoNotStopOthers(part: Int) throws {
        var plan = TrafficPlan()
        for _ in 0..<40 {
            var stream = TrafficPlan.StreamPlan.bulk(400_000)
            stream.forward.readPause = .seconds(3_000)
            plan.streams.append(stream)
        }
        var last = TrafficPlan.StreamPlan.bulk(3_000_000)
        // When the others have filled what they can.
        last.opensAfter = .seconds(5)
        plan.streams.append(last)
        let start = VirtualClock().now
        var setup = Pair.Setup()
        setup.upper.receiveMemory = 4 << 20
        setup.upper.initialStreamWindow = 64 << 10
        let upper = Traffic(plan, role: .upper, seed: 2, start: start)
        let pair = try Pair(
            setup, upward: .steady(megabitsPerSecond: 50, delay: .milliseconds(10), queue: .milliseconds(50)),
            downward: .steady(megabitsPerSecond: 50, delay: .milliseconds(10), queue: .milliseconds(50)),
            lower: Traffic(plan, role: .lower, seed: 2, start: start), upper: upper)
        try Self.squeeze(pair, to: part)
        try pair.run(until: { _ in upper.streams[40].receivingEnd != nil })
        #expect(pair.now - start < .seconds(40), "the stream that is read took \(pair.now - start)")
        let held = pair.upper.channel.heldByteCount
        #expect(held > 2 << 20, "the others hold \(held)")
    }

    /// When there is plenty again the channel has what it had.
    @Test func thePartCanGrowAgain() throws {
        let pair = try Self.pair(Self.slowReaders)
        let hasChanged = pair.upper.channel.setMemoryPart(8, of: 8, now: pair.now)
        #expect(!hasChanged, "it had all of it")
        _ = pair.upper.channel.setMemoryPart(1, of: 8, now: pair.now)
        try pair.run(for: .seconds(2))
        let window = pair.upper.channel.window
        _ = pair.upper.channel.setMemoryPart(8, of: 8, now: pair.now)
        let grown = pair.upper.channel.window
        #expect(grown.limit > window.limit && grown.size == 4 << 20)
        pair.upper.wake(pair.now)
        try pair.runUntilDone()
    }
}
