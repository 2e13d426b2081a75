public import DXWire

/// A mix of trouble derived from a seed: what a link's rate, delay, queue and faults are. Both directions share the
/// base delay, everything else is drawn for each.
///
/// Faults end at `healedAt` for half of the seeds; what stays for ever for the others is mild enough to get through.
public struct Profile: Sendable, CustomStringConvertible {
    /// What was drawn, for the message of a failure.
    public private(set) var description = ""
    /// The time after which at least heavy trouble is over.
    public let healedAt: Instant
    /// How long a host lets datagrams pile up before it looks at them: interrupt coalescing, a busy machine.
    public let batchInterval: Interval
    /// The largest UDP payload that one of the directions passes.
    public private(set) var smallestMTU = 65_000
    private var random: RandomSource
    private let start: Instant
    private let delay: Interval
    private let isHealing: Bool

    /// Draws the mix of `seed` for a simulation that begins at `start`.
    public init(seed: UInt64, start: Instant) {
        random = RandomSource(seed: seed &* 0x2545_f491_4f6c_dd1d)
        self.start = start
        delay = .microseconds(Int64(Self.logarithmic(from: 100, to: 150_000, &random)))
        healedAt = start + .seconds(5 + Int64(random.below(25)))
        isHealing = random.chance(0.5)
        batchInterval = random.chance(0.4) ? .microseconds(Int64(random.below(3_000))) : .zero
        description = "delay \(delay), batches of \(batchInterval)"
    }

    /// The nodes of one direction. Called once for each, in a fixed order.
    public mutating func makeLink(_ name: String) -> Link {
        description += "; \(name):"
        var nodes: [any Node] = []
        addMTU(to: &nodes)
        addBottleneck(to: &nodes)
        nodes.append(Delay(delay))
        addLoss(to: &nodes)
        addReordering(to: &nodes)
        addDamage(to: &nodes)
        addBlackhole(to: &nodes)
        return Link(nodes)
    }

    private mutating func source() -> RandomSource { RandomSource(seed: random.next()) }

    private mutating func milliseconds(upTo bound: UInt64) -> Interval {
        .microseconds(Int64(random.below(bound * 1_000)))
    }

    private mutating func add(_ text: String, _ node: any Node, to nodes: inout [any Node]) {
        description += " \(text)"
        nodes.append(isHealing ? Until(healedAt, node) : node)
    }

    private mutating func addMTU(to nodes: inout [any Node]) {
        guard random.chance(0.4) else { return }
        let first = 1200 + Int(random.below(8_000))
        var limits = [(from: Instant.zero, payloadByteCount: first)]
        smallestMTU = min(smallestMTU, first)
        description += " mtu \(first)"
        if random.chance(0.3) {
            let second = 1200 + Int(random.below(UInt64(first - 1199)))
            limits.append((from: start + milliseconds(upTo: 3_000), payloadByteCount: second))
            smallestMTU = min(smallestMTU, second)
            description += " then \(second)"
        }
        nodes.append(MTULimit(limits))
    }

    private mutating func addBottleneck(to nodes: inout [any Node]) {
        guard random.chance(0.85) else { return }
        let rate = Int64(Self.logarithmic(from: 60_000, to: 25_000_000, &random))
        // From a tenth of a second of queue (a home router) down to four packets (a policer).
        let queue = max(6_000, Int(rate) * Int(1 + random.below(100)) / 1_000)
        let mark = random.chance(0.3) ? queue / 3 : nil
        description += " rate \(rate) B/s queue \(queue)\(mark.map { " ecn above \($0)" } ?? "")"
        nodes.append(Bottleneck(bytesPerSecond: rate, queueByteCount: queue, markAboveByteCount: mark))
    }

    private mutating func addLoss(to nodes: inout [any Node]) {
        if random.chance(0.5) {
            // Mostly up to 5 %; sometimes a link that is hardly one.
            let loss = random.chance(0.1) ? 0.1 + random.unit() * 0.3 : random.unit() * 0.05
            add("loss \(Int(loss * 1_000)) in 1000", RandomLoss(loss, random: source()), to: &nodes)
        }
        if random.chance(0.25) {
            let node = BurstLoss(
                begin: random.unit() * 0.01, end: 0.05 + random.unit() * 0.5, loss: 0.3 + random.unit() * 0.7,
                random: source())
            add("bursts", node, to: &nodes)
        }
    }

    private mutating func addReordering(to nodes: inout [any Node]) {
        if random.chance(0.3) {
            let jitter = milliseconds(upTo: 20)
            add("jitter \(jitter)", Jitter(upTo: jitter, random: source()), to: &nodes)
        }
        if random.chance(0.4) {
            let by = milliseconds(upTo: 50)
            let share = random.unit() * 0.2
            add("reorder \(Int(share * 1_000)) in 1000 by \(by)", Reorder(share, by: by, random: source()), to: &nodes)
        }
    }

    private mutating func addDamage(to nodes: inout [any Node]) {
        if random.chance(0.25) {
            let share = random.unit() * 0.1
            let node = Duplicate(share, copyWithin: milliseconds(upTo: 200), random: source())
            add("duplicate \(Int(share * 1_000)) in 1000", node, to: &nodes)
        }
        if random.chance(0.2) {
            let share = random.unit() * 0.02
            add("corrupt \(Int(share * 1_000)) in 1000", Corrupt(share, random: source()), to: &nodes)
        }
    }

    private mutating func addBlackhole(to nodes: inout [any Node]) {
        guard random.chance(0.15) else { return }
        let from = start + milliseconds(upTo: 3_000)
        let length = milliseconds(upTo: 4_000)
        description += " black hole \(from) for \(length)"
        nodes.append(Blackhole([from..<(from + length)]))
    }

    /// A number whose logarithm is spread evenly, so that slow and fast links are as frequent.
    private static func logarithmic(from low: Double, to high: Double, _ random: inout RandomSource) -> Double {
        // Powers of two by whole steps and a linear part between: exact on every platform, unlike pow().
        var octaves = 0
        while low * Double(UInt64(1) << UInt64(octaves + 1)) <= high { octaves += 1 }
        let base = low * Double(UInt64(1) << random.below(UInt64(octaves + 1)))
        return min(high, base * (1 + random.unit()))
    }
}
