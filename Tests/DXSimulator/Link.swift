public import DXWire

/// One direction between two hosts: a chain of nodes. A datagram enters at the first and arrives after the last.
public final class Link {
    /// The nodes, in the order in which a datagram meets them.
    public let nodes: [any Node]
    /// How many datagrams entered.
    public private(set) var enteredCount = 0
    /// How many datagrams arrived.
    public private(set) var arrivedCount = 0
    /// How many bytes arrived, with IP and UDP headers.
    public private(set) var arrivedByteCount = 0

    /// A link of these nodes; without any, everything arrives at once.
    public init(_ nodes: [any Node]) { self.nodes = nodes }

    /// A link as most scenarios want it: a rate with a queue of drop tail before it, and a delay.
    ///
    /// - Parameters:
    ///   - megabitsPerSecond: with IP and UDP headers.
    ///   - delay: one way.
    ///   - queue: how long a datagram at the end of the full queue waits.
    ///   - nodes: more trouble, behind the delay.
    public static func steady(
        megabitsPerSecond: Int64, delay: Interval, queue: Interval, marksECN: Bool = false, _ nodes: [any Node] = []
    ) -> Link {
        let rate = megabitsPerSecond * 125_000
        let queueBytes = max(3_100, Int(rate * queue.microseconds / 1_000_000))
        let bottleneck = Bottleneck(
            bytesPerSecond: rate, queueByteCount: queueBytes, markAboveByteCount: marksECN ? queueBytes / 4 : nil)
        return Link([bottleneck, Delay(delay)] + nodes)
    }

    /// How many datagrams the nodes dropped.
    public var dropCount: Int { nodes.reduce(0) { $0 + $1.dropCount } }

    /// When `run` is due; nil when nothing is on the way.
    public var nextRunAt: Instant? {
        var earliest: Instant?
        for node in nodes {
            guard let due = node.nextRunAt else { continue }
            earliest = min(earliest ?? due, due)
        }
        return earliest
    }

    /// Sends a datagram; what arrives at once is appended to `arrivals`.
    public func forward(_ datagram: Datagram, now: Instant, arrivals: inout [Datagram]) {
        enteredCount += 1
        pass([datagram], from: 0, now: now, arrivals: &arrivals)
    }

    /// Appends what has arrived by `now` to `arrivals`.
    public func run(now: Instant, arrivals: inout [Datagram]) {
        for (index, node) in nodes.enumerated() {
            guard let due = node.nextRunAt, due <= now else { continue }
            var output: [Datagram] = []
            node.run(now: now, output: &output)
            pass(output, from: index + 1, now: now, arrivals: &arrivals)
        }
    }

    private func pass(_ datagrams: [Datagram], from index: Int, now: Instant, arrivals: inout [Datagram]) {
        var batch = datagrams
        for node in nodes[index...] {
            guard !batch.isEmpty else { return }
            var output: [Datagram] = []
            for datagram in batch { node.forward(datagram, now: now, output: &output) }
            batch = output
        }
        arrivedCount += batch.count
        for datagram in batch { arrivedByteCount += datagram.linkByteCount }
        arrivals += batch
    }
}
