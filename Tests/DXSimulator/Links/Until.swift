public import DXWire

/// Trouble that ends: a node that works until a moment, after which datagrams pass it untouched.
public final class Until: Node {
    private let end: Instant
    private let node: any Node

    /// Lets `node` treat what comes before `end`.
    public init(_ end: Instant, _ node: any Node) {
        self.end = end
        self.node = node
    }

    /// Hands the datagram to the node, or passes it on.
    public func forward(_ datagram: Datagram, now: Instant, output: inout [Datagram]) {
        if now < end { node.forward(datagram, now: now, output: &output) } else { output.append(datagram) }
    }
    /// What the node still holds comes out, whenever that is.
    public var nextRunAt: Instant? { node.nextRunAt }
    /// What the node still holds comes out, whenever that is.
    public func run(now: Instant, output: inout [Datagram]) { node.run(now: now, output: &output) }
    /// What the node dropped.
    public var dropCount: Int { node.dropCount }
}
