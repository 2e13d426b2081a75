public import DXWire

/// Every datagram arrives a random time later, in the order in which they were sent (as behind one busy queue).
/// For datagrams that overtake one another see `Reorder`.
public final class Jitter: Node {
    private let maximum: Interval
    private var random: RandomSource
    private var queue = DelayQueue()
    private var latestDue = Instant.zero

    /// A delay spread evenly from zero to `maximum`.
    public init(upTo maximum: Interval, random: RandomSource) {
        self.maximum = maximum
        self.random = random
    }

    /// Holds the datagram back.
    public func forward(_ datagram: Datagram, now: Instant, output: inout [Datagram]) {
        let extra = Interval.nanoseconds(Int64(random.below(UInt64(maximum.nanoseconds) + 1)))
        latestDue = max(latestDue, now + extra)
        queue.insert(datagram, due: latestDue)
    }
    /// When the next datagram is due.
    public var nextRunAt: Instant? { queue.nextDue }
    /// Passes on what is due.
    public func run(now: Instant, output: inout [Datagram]) { queue.removeDue(now: now, output: &output) }
}
