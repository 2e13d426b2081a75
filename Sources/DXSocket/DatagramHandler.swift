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

    /// All datagrams of this turn were delivered. The place to acknowledge and to transmit, once for the whole batch.
    func batchEnded(now: Instant)

    /// The kernel took what it had refused before (`DatagramSender.isWritable` is true again).
    func becameWritable(now: Instant)
}
