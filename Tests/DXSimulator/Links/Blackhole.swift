public import DXWire

/// Everything vanishes during certain times: a cable pulled, a route withdrawn, a NAT that forgot.
public final class Blackhole: Node {
    private let times: [Range<Instant>]
    /// How many datagrams vanished.
    public private(set) var dropCount = 0

    /// Drops everything during each of `times`.
    public init(_ times: [Range<Instant>]) { self.times = times }

    /// Drops the datagram when it is one of those times.
    public func forward(_ datagram: Datagram, now: Instant, output: inout [Datagram]) {
        if times.contains(where: { $0.contains(now) }) { dropCount += 1 } else { output.append(datagram) }
    }
}
