public import DXWire

/// Some datagrams arrive twice: once at once, once a random time later.
public final class Duplicate: Node {
    private let probability: Double
    private let maximumDelay: Interval
    private var random: RandomSource
    private var queue = DelayQueue()

    /// Doubles a datagram with `probability` (0 to 1); the copy comes up to `maximumDelay` later.
    public init(_ probability: Double, copyWithin maximumDelay: Interval, random: RandomSource) {
        self.probability = probability
        self.maximumDelay = maximumDelay
        self.random = random
    }

    /// Passes the datagram on, and perhaps keeps a copy for later.
    public func forward(_ datagram: Datagram, now: Instant, output: inout [Datagram]) {
        output.append(datagram)
        guard random.chance(probability) else { return }
        let delay = Interval.nanoseconds(Int64(random.below(UInt64(maximumDelay.nanoseconds) + 1)))
        queue.insert(datagram, due: now + delay)
    }
    /// When the next copy is due.
    public var nextRunAt: Instant? { queue.nextDue }
    /// Passes on the copies that are due.
    public func run(now: Instant, output: inout [Datagram]) { queue.removeDue(now: now, output: &output) }
}
