public import DXWire

/// Some datagrams take a longer way and are overtaken by those behind them.
public final class Reorder: Node {
    private let probability: Double
    private let maximumDelay: Interval
    private var random: RandomSource
    private var queue = DelayQueue()
    /// How many datagrams were sent the longer way.
    public private(set) var delayedCount = 0

    /// Delays a datagram with `probability` (0 to 1) by a time spread evenly up to `maximumDelay`.
    public init(_ probability: Double, by maximumDelay: Interval, random: RandomSource) {
        self.probability = probability
        self.maximumDelay = maximumDelay
        self.random = random
    }

    /// Passes the datagram on, or holds it back.
    public func forward(_ datagram: Datagram, now: Instant, output: inout [Datagram]) {
        guard random.chance(probability) else {
            output.append(datagram)
            return
        }
        delayedCount += 1
        let delay = Interval.nanoseconds(Int64(random.below(UInt64(maximumDelay.nanoseconds) + 1)))
        queue.insert(datagram, due: now + delay)
    }
    /// When the next datagram is due.
    public var nextRunAt: Instant? { queue.nextDue }
    /// Passes on what is due.
    public func run(now: Instant, output: inout [Datagram]) { queue.removeDue(now: now, output: &output) }
}
