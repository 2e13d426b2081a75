import DXSimulator
import DXStream
import DXWire
import NIOCore
import Testing

/// Small interactive messages beside bulk that fills the channel.
@Suite struct InteractiveTests {
    /// The delay from write to read is that of the network, queue included; the channel adds next to nothing.
    @Test(arguments: [false, true]) func bulkDoesNotDelayInteractive(isLossy: Bool) throws {
        try Replay.run("InteractiveTests") { _, log in try Self.simulate(isLossy: isLossy, log: log) }
    }

    private static func simulate(isLossy: Bool, log: FlowLog?) throws {
        var setup = Pair.Setup()
        setup.log = log
        let start = VirtualClock().now
        let lower = Keyboard(start: start)
        let upper = Screen()
        var trouble: [any Node] = []
        if isLossy { trouble = [RandomLoss(0.005, random: RandomSource(seed: 9))] }
        let pair = try Pair(
            setup,
            upward: .steady(megabitsPerSecond: 20, delay: .milliseconds(20), queue: .milliseconds(20), trouble),
            downward: .steady(megabitsPerSecond: 20, delay: .milliseconds(20), queue: .milliseconds(20)),
            lower: lower, upper: upper)
        try pair.run(for: .seconds(20))
        let delays = upper.delays.sorted()
        #expect(delays.count > 360, "\(delays.count) keystrokes arrived")
        #expect(upper.bulkByteCount > 30_000_000, "bulk got \(upper.bulkByteCount) bytes")
        let median = delays[delays.count / 2]
        let late = delays[delays.count * 99 / 100]
        #expect(pair.lower.channel.pathSnapshots[0].statistics.blackHoles == 0, "loss was taken for a black hole")
        // One way: 20 ms and at most 20 ms of queue, and a packet of 3.6 ms on the link and one in the sender; a lost
        // keystroke waits about a round trip more.
        #expect(median <= .milliseconds(42), "median \(median)")
        #expect(late <= .milliseconds(isLossy ? 110 : 48), "99 of 100 within \(late)")
    }

    /// A transfer through an interactive stream takes most of the channel, and leaves bulk a quarter of it.
    @Test func aTransferThatIsInteractiveLeavesBulkAPart() throws {
        let start = VirtualClock().now
        var plan = TrafficPlan()
        plan.streams = [.bulk(60_000_000), .bulk(60_000_000)]
        plan.streams[0].streamClass = .interactive
        let upper = Traffic(plan, role: .upper, seed: 1, start: start)
        let pair = try Pair(
            Pair.Setup(), upward: .steady(megabitsPerSecond: 50, delay: .milliseconds(10), queue: .milliseconds(40)),
            downward: .steady(megabitsPerSecond: 50, delay: .milliseconds(10), queue: .milliseconds(40)),
            lower: Traffic(plan, role: .lower, seed: 1, start: start), upper: upper)
        try pair.run(for: .seconds(1))
        let before = upper.streams.map(\.readByteCount)
        try pair.run(for: .seconds(6))
        let counts = zip(upper.streams, before).map { $0.readByteCount - $1 }
        let part = Double(counts[1]) / Double(counts[0] + counts[1])
        #expect(part > 0.2 && part < 0.3, "bulk got \(counts[1]) of \(counts[0] + counts[1]) bytes")
    }

    /// Writes the time every 50 ms on an interactive stream, and as much as it can on a bulk stream.
    private final class Keyboard: Application {
        private var next: Instant
        private var interactive: StreamID?
        private var bulk: StreamID?

        init(start: Instant) { next = start }

        var nextActionAt: Instant? { next }
        var isDone: Bool { false }
        var waitingFor: String { "nothing" }

        func act(channel: inout MessageChannel, now: Instant) throws(SimulationFailure) {
            next = now + .milliseconds(50)
            do throws(StreamError) {
                if bulk == nil {
                    bulk = try channel.openStream(internalPort: 0, streamClass: .bulk, share: 1, now: now)
                    interactive = try channel.openStream(internalPort: 1, streamClass: .interactive, share: 1, now: now)
                }
                try channel.write(ByteBuffer(integer: now.nanoseconds), to: interactive!, now: now)
            } catch { throw SimulationFailure("\(error)") }
            try fill(&channel, now: now)
        }

        func handle(_ event: DXStream.ChannelEvent, channel: inout MessageChannel, now: Instant)
            throws(SimulationFailure)
        {
            if case .writable = event { try fill(&channel, now: now) }
        }

        private func fill(_ channel: inout MessageChannel, now: Instant) throws(SimulationFailure) {
            while case let room = channel.writableByteCount(bulk!), room > 0 {
                do throws(StreamError) {
                    try channel.write(ByteBuffer(repeating: 7, count: min(room, 65_536)), to: bulk!, now: now)
                } catch { throw SimulationFailure("\(error)") }
            }
        }
    }

    /// Notes how old each time is when it is read.
    private final class Screen: Application {
        private(set) var delays: [Interval] = []
        private(set) var bulkByteCount = 0
        private var interactive: StreamID?
        private var pending = ByteBuffer()

        var nextActionAt: Instant? { nil }
        var isDone: Bool { false }
        var waitingFor: String { "nothing" }

        func act(channel: inout MessageChannel, now: Instant) throws(SimulationFailure) {}

        func handle(_ event: DXStream.ChannelEvent, channel: inout MessageChannel, now: Instant)
            throws(SimulationFailure)
        {
            if case .streamOpened(let frame) = event, frame.internalPort == 1 { interactive = frame.id }
            guard case .readable(let id) = event else { return }
            while case .bytes(var bytes) = channel.read(id, now: now) {
                if id != interactive {
                    bulkByteCount += bytes.readableBytes
                    continue
                }
                pending.writeBuffer(&bytes)
                while let sentAt: Int64 = pending.readInteger() {
                    delays.append(now - Instant(nanoseconds: sentAt))
                }
            }
        }
    }
}
