public import DXWire

/// Every datagram arrives the same time later.
public final class Delay: Node {
    private let delay: Interval
    private var queue = DelayQueue()

    /// A link of this one-way delay.
    public init(_ delay: Interval) { self.delay = delay }

    /// Holds the datagram back.
    public func forward(_ datagram: Datagram, now: Instant, output: inout [Datagram]) {
        queue.insert(datagram, due: now + delay)
    }
    /// When the next datagram is due.
    public var nextRunAt: Instant? { queue.nextDue }
    /// Passes on what is due.
    public func run(now: Instant, output: inout [Datagram]) { queue.removeDue(now: now, output: &output) }
}
