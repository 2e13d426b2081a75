import DXSimulator
import DXStream
import DXWire
import NIOCore
import Testing

/// Applications that do anything at any time: open, write, finish, reset, stop, read, in whatever order, twice, too late,
/// on streams that have ended; paths come, go and roam. Whatever they do, neither channel may find the other in breach of
/// the protocol; when all streams have been given up, both hold nothing.
@Suite struct RandomOperationsTests {
    @Test(arguments: 0..<2) func nothingBreaks(shard: Int) throws {
        let seeds = Replay.seeds(count: 300, shard: shard, of: 2)
        try Replay.run("RandomOperationsTests", seeds: seeds) { seed, log in
            try Self.simulate(seed: seed, log: log)
        }
    }

    private static func simulate(seed: UInt64, log: FlowLog?) throws {
        var random = RandomSource(seed: seed &* 0x9e37_79b9)
        var setup = Pair.Setup()
        setup.seed = seed
        setup.log = log
        setup.maximumStepCount = 300_000
        for side in [\Pair.Setup.lower, \.upper] {
            setup[keyPath: side].maximumDatagram = 1_472
            setup[keyPath: side].idleTimeout = nil
            setup[keyPath: side].maximumStreams = 1 + random.below(30)
            setup[keyPath: side].initialStreamWindow = 1 + random.below(random.chance(0.3) ? 50 : 60_000)
            setup[keyPath: side].receiveMemory = setup[keyPath: side].initialStreamWindow + random.below(60_000)
            setup[keyPath: side].sendMemory = 1 + Int(random.below(200_000))
        }
        let start = setup.clock.now
        let end = start + .seconds(3)
        func link() -> Link {
            let loss = random.chance(0.6) ? random.unit() * 0.2 : 0
            return .steady(
                megabitsPerSecond: 1 + Int64(random.below(30)), delay: .milliseconds(Int64(random.below(60))),
                queue: .milliseconds(20 + Int64(random.below(100))),
                [
                    Until(end, RandomLoss(loss, random: RandomSource(seed: random.next()))),
                    Until(end, Reorder(0.1, by: .milliseconds(20), random: RandomSource(seed: random.next()))),
                ])
        }
        let lower = Meddler(role: .lower, seed: random.next(), until: end)
        let upper = Meddler(role: .upper, seed: random.next(), until: end)
        let pair = try Pair(setup, upward: link(), downward: link(), lower: lower, upper: upper)
        planPaths(pair, &random)
        try pair.runUntilDone()
        try pair.run(until: { $0.hosts.allSatisfy { $0.channel.streamCount == 0 } }) { pair in
            pair.hosts.map { "\($0.name) has \($0.channel.streamCount) streams" }.joined(separator: ", ")
        }
        for host in pair.hosts {
            try SimulationFailure.unless(host.end == nil, "\(host.name) ended: \(host.end as Any)")
            try SimulationFailure.unless(
                host.channel.heldByteCount == 0, "\(host.name) holds \(host.channel.heldByteCount) bytes of no stream")
        }
    }

    private static func planPaths(_ pair: Pair, _ random: inout RandomSource) {
        for _ in 0..<random.below(6) {
            let at = Interval.milliseconds(Int64(random.below(2_500)))
            let role = random.chance(0.5) ? ChannelRole.lower : .upper
            switch random.below(3) {
            case 0:
                let address = UInt32(10 + random.below(20))
                // One end alone: two that move at once lose each other for good.
                pair.after(at) { $0.lower.address = address }
            default:
                let inherits = random.chance(0.5)
                let retires = random.chance(0.8)
                pair.after(at) { pair in
                    guard pair.hosts.allSatisfy({ $0.pathIDs.count < 5 }) else { return }
                    let old = pair.lower.channel.activePath
                    _ = try pair.addSession(inheriting: inherits ? old : nil, role: role)
                    if let old, retires { (role == .lower ? pair.lower : pair.upper).retirePath(old, now: pair.now) }
                }
            }
        }
    }

    /// Does anything, then gives up every stream and reads to the end what is left.
    private final class Meddler: Application {
        private let role: ChannelRole
        private var random: RandomSource
        private let end: Instant
        private var next: Instant
        private var known: [StreamID] = []
        private var live: Set<StreamID> = []
        private var hasGivenUp = false

        init(role: ChannelRole, seed: UInt64, until end: Instant) {
            self.role = role
            random = RandomSource(seed: seed)
            self.end = end
            next = VirtualClock().now
        }

        var nextActionAt: Instant? { hasGivenUp ? nil : next }
        var isDone: Bool { hasGivenUp && live.isEmpty }
        var waitingFor: String { hasGivenUp ? "the end of \(live.sorted())" : "the time to give up" }

        func act(channel: inout MessageChannel, now: Instant) throws(SimulationFailure) {
            if now >= end {
                hasGivenUp = true
                for id in live.sorted() { giveUp(id, &channel, now: now) }
                return
            }
            for _ in 0...random.below(4) { operate(&channel, now: now) }
            next = now + .microseconds(Int64(random.below(60_000)))
        }

        func handle(_ event: DXStream.ChannelEvent, channel: inout MessageChannel, now: Instant)
            throws(SimulationFailure)
        {
            switch event {
            case .streamOpened(let frame):
                known.append(frame.id)
                try SimulationFailure.unless(live.insert(frame.id).inserted, "stream \(frame.id) was opened twice")
                if hasGivenUp { giveUp(frame.id, &channel, now: now) }
            case .streamEnded(let id):
                try SimulationFailure.unless(live.remove(id) != nil, "stream \(id) ended twice")
            case .readable(let id), .writable(let id):
                try SimulationFailure.unless(live.contains(id), "\(event) for a stream that has ended")
                if hasGivenUp {
                    _ = channel.read(id, now: now)
                } else if random.chance(0.5) {
                    read(id, &channel, now: now)
                }
            case .stopped(let id, _):
                try SimulationFailure.unless(live.contains(id), "\(event) for a stream that has ended")
            case .closed(let how): throw SimulationFailure("\(role): \(how)")
            case .streamAccepted, .streamsAvailable, .controlReadable, .message, .pathDoubted, .pathSuspect, .pathDown,
                .pathUp, .pathValidated,
                .pathRetired:
                break
            }
        }

        private func giveUp(_ id: StreamID, _ channel: inout MessageChannel, now: Instant) {
            channel.reset(id, code: .shutdown, now: now)
            channel.stop(id, code: .shutdown, now: now)
        }

        private func read(_ id: StreamID, _ channel: inout MessageChannel, now: Instant) {
            for _ in 0..<random.below(5) { _ = channel.read(id, now: now) }
        }

        /// One operation on a stream that is open, or ended long ago, or was never there.
        private func operate(_ channel: inout MessageChannel, now: Instant) {
            let some =
                known.isEmpty || random.chance(0.02)
                ? StreamID(rawValue: random.below(200)) : known.randomElement(using: &random)!
            switch random.below(16) {
            case 0, 1:
                let streamClass: StreamClass = random.chance(0.5) ? .bulk : .interactive
                guard
                    let id = try? channel.openStream(
                        internalPort: 1, streamClass: streamClass, share: UInt16(random.below(300)), now: now)
                else { return }
                known.append(id)
                live.insert(id)
            case 2..<7:
                // Also more than there is room for: a write always takes all.
                let room = random.chance(0.2) ? 5_000 : min(channel.writableByteCount(some), 40_000)
                let count = Int(random.below(UInt64(room + 1)))
                try? channel.write(ByteBuffer(repeating: 3, count: count), to: some, now: now)
            case 7: try? channel.finish(some, now: now)
            case 8: if random.chance(0.4) { channel.reset(some, code: .aborted, now: now) }
            case 9: if random.chance(0.4) { channel.stop(some, code: .aborted, now: now) }
            case 10..<14: read(some, &channel, now: now)
            case 14: try? channel.sendControl(ByteBuffer(repeating: 1, count: Int(random.below(3_000))), now: now)
            default:
                try? channel.sendMessage(flow: 1, ByteBuffer(repeating: 1, count: Int(random.below(3_000))), now: now)
                while random.chance(0.8), channel.readControl() != nil {}
            }
        }
    }
}
