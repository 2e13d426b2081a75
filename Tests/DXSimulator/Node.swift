public import DXWire

/// One way in which a network treats datagrams: delays, drops, changes or multiplies them. Links are chains of nodes.
///
/// Sans-IO like everything else: datagrams come in by `forward`, what leaves is appended to `output`, and a node that
/// holds datagrams back says when it wants to `run`.
public protocol Node: AnyObject {
    /// Takes a datagram; whatever leaves at once is appended to `output`.
    func forward(_ datagram: Datagram, now: Instant, output: inout [Datagram])
    /// When something that was held back is due; nil when nothing is.
    var nextRunAt: Instant? { get }
    /// Appends what is due by `now` to `output`.
    func run(now: Instant, output: inout [Datagram])
    /// How many datagrams it dropped, for the statistics of a link.
    var dropCount: Int { get }
}

extension Node {
    /// Most nodes hold nothing back.
    public var nextRunAt: Instant? { nil }
    /// Most nodes hold nothing back.
    public func run(now: Instant, output: inout [Datagram]) {}
    /// Many nodes drop nothing.
    public var dropCount: Int { 0 }
}
