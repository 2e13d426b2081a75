import DXSimulator
import DXStream
import DXWire

/// One bulk stream over one bottleneck, with a probe on either side of its queue. `delay` is that of each way, `jitter` by
/// how much it differs in either direction; packets keep their order. The way back loses nothing. `largestPacket` is what
/// packets of several datagrams may have, 0 for none of these.
final class BulkFlow {
    private let pair: Pair
    private let reader: Traffic
    private let entry = Entry()
    private let exit: Exit

    init(
        _ algorithm: CongestionAlgorithm, megabitsPerSecond: Int64, delay: Interval, queue: Interval, loss: Double = 0,
        lossEndsAfter: Interval? = nil, jitter: Interval = .zero, seed: UInt64 = 1,
        largestPacket: Int = 0
    ) throws {
        var setup = Pair.Setup()
        setup.seed = seed
        setup.lower.congestion = algorithm
        setup.lower.maximumPacket = largestPacket
        setup.upper.maximumPacket = largestPacket
        let start = setup.clock.now
        var plan = TrafficPlan()
        plan.streams = [.bulk(1 << 40)]
        exit = Exit(entry)
        reader = Traffic(plan, role: .upper, seed: seed, start: start)
        let rate = megabitsPerSecond * 125_000
        let bytes = Int(rate * queue.microseconds / 1_000_000)
        var nodes: [any Node] = [
            MTULimit(payloadByteCount: 1_472), entry, Bottleneck(bytesPerSecond: rate, queueByteCount: bytes), exit,
            Delay(delay - jitter),
        ]
        var back: [any Node] = [
            Bottleneck(bytesPerSecond: rate, queueByteCount: Int(rate / 10)), Delay(delay - jitter),
        ]
        if jitter > .zero {
            nodes.append(Jitter(upTo: jitter * 2, random: RandomSource(seed: seed &+ 4)))
            back.append(Jitter(upTo: jitter * 2, random: RandomSource(seed: seed &+ 5)))
        }
        if loss > 0 {
            let random = RandomLoss(loss, random: RandomSource(seed: seed &+ 2))
            nodes.append(lossEndsAfter.map { Until(start + $0, random) } ?? random)
        }
        pair = try Pair(
            setup, upward: Link(nodes),
            downward: Link(back),
            lower: Traffic(plan, role: .lower, seed: seed, start: start), upper: reader)
    }

    func run(for time: Interval) throws { try pair.run(for: time) }
    /// Stream bytes read since the beginning, in millions of bits.
    var megabits: Double { Double(reader.streams[0].readByteCount) * 8 / 1_000_000 }
    var path: PathSnapshot { pair.lower.channel.pathSnapshots[0] }
    /// How long a packet waited at the bottleneck at most, of the given part of all.
    func wait(ofPart part: Double) -> Interval {
        let sorted = exit.waits.sorted()
        return sorted[Int(Double(sorted.count - 1) * part)]
    }

    /// Notes when each datagram entered the queue.
    private final class Entry: Node {
        var times: [UInt64: Instant] = [:]
        func forward(_ datagram: Datagram, now: Instant, output: inout [Datagram]) {
            times[datagram.number] = now
            output.append(datagram)
        }
    }

    /// Notes how long each was in it.
    private final class Exit: Node {
        private let entry: Entry
        var waits: [Interval] = []
        init(_ entry: Entry) { self.entry = entry }
        func forward(_ datagram: Datagram, now: Instant, output: inout [Datagram]) {
            if let time = entry.times.removeValue(forKey: datagram.number) { waits.append(now - time) }
            output.append(datagram)
        }
    }
}
