public import DXWire

/// What became of a datagram handed to `DatagramSender.append`.
public enum AppendResult: Hashable, Sendable, BitwiseCopyable {
    /// It is queued; `flush` sends it.
    case queued
    /// Nothing was asked for: `fill` wrote no byte.
    case empty
    /// The kernel does not take more for now and the queue is full; `fill` was not called. Try again after
    /// `DatagramHandler.becameWritable`.
    case full
    /// There is no socket of that address family, or source and destination are of different families; `fill` was not
    /// called. Nothing will change that soon: drop the path.
    case noSocket
}

/// The sending half of a `UDPEndpoint`: datagrams are written straight into a queue (no copy afterwards) and go out in
/// batches. Bound to the endpoint's event loop.
public final class DatagramSender {
    /// Whether the kernel takes datagrams now. While false, bulk data had better wait in the transport; `append` still
    /// takes datagrams until the queue is full.
    public var isWritable: Bool { true }

    /// Queues one datagram, which `fill` writes.
    ///
    /// Consecutive datagrams to the same destination, from the same source, with the same mark and size (the last may
    /// be shorter) leave as one GSO run. When the queue is full and the kernel is not blocked, a flush happens inside.
    /// - Parameters:
    ///   - destination: Where it goes. One that can not be sent to costs nothing but itself.
    ///   - source: The local address to send from (its port is ignored); nil leaves the choice to the routing table.
    ///   - ecn: The mark in the IP header.
    ///   - maximumByteCount: The capacity of the span that `fill` gets: 1 to `Constants.maximumDatagram`.
    ///   - fill: Writes the datagram. It must not call this sender. When it throws, nothing is queued.
    @inlinable
    @discardableResult
    public func append<Failure: Error>(
        to destination: Endpoint, from source: Endpoint?, ecn: ECNMark, maximumByteCount: Int,
        fill: (inout OutputRawSpan) throws(Failure) -> Void
    ) throws(Failure) -> AppendResult {
        .noSocket
    }

    /// Sends what is queued. Call once at the end of a turn. What the kernel has no room for stays queued and is tried
    /// again by itself.
    public func flush() {}

    /// The next refused datagram that was not asked for yet; nil when there is none. At most 64 are kept; beyond that
    /// they are only counted.
    public func pollRefusal() -> SendRefusal? { nil }
}

@available(*, unavailable)
extension DatagramSender: Sendable {}
