public import DXWire

/// What a `UDPEndpoint` calls, always on its event loop and never from inside one of the sender's methods.
///
/// A generic parameter, not an existential: the calls are made for every datagram.
public protocol DatagramHandler: AnyObject, SendableMetatype {
    /// One datagram came in.
    /// - Parameters:
    ///   - datagram: Its bytes, for the length of this call. They may be changed in place (decryption). May be empty.
    ///   - source: Who sent it, by the kernel's word. Anybody can write anything there.
    ///   - local: The address it was sent to, with this socket's port; nil where the kernel did not say. Answering with
    ///     it as `from` keeps the path the same on a host with several addresses.
    ///   - ecn: What the IP header carried.
    ///   - now: The time at which it was read.
    func received(
        _ datagram: inout MutableRawSpan, from source: Endpoint, local: Endpoint?, ecn: ECNMark, now: Instant)

    /// Several datagrams came in, coalesced by the kernel (GRO): one behind the other in `message`, of `size` bytes each, the
    /// last one perhaps shorter. Takes one or more whole ones from the front, as if each had been handed to the other
    /// method, which is what happens by default to the first.
    /// - Returns: The bytes taken; the rest is offered again.
    func received(
        _ message: inout MutableRawSpan, of size: Int, from source: Endpoint, local: Endpoint?, ecn: ECNMark,
        now: Instant
    ) -> Int

    /// All datagrams of this turn were delivered. The place to acknowledge and to transmit, once for the whole batch.
    func batchEnded(now: Instant)

    /// The kernel took what it had refused before (`DatagramSender.isWritable` is true again).
    func becameWritable(now: Instant)
}

extension DatagramHandler {
    /// Hands on the first datagram.
    public func received(
        _ message: inout MutableRawSpan, of size: Int, from source: Endpoint, local: Endpoint?, ecn: ECNMark,
        now: Instant
    ) -> Int {
        let count = min(size, message.byteCount)
        var datagram = message._mutatingExtracting(..<count)
        received(&datagram, from: source, local: local, ecn: ecn, now: now)
        return count
    }
}
