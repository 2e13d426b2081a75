/// How a `UDPEndpoint` sets up its sockets. The defaults are for a gateway; tests make them smaller.
public struct SocketConfiguration: Sendable {
    /// The kernel receive buffer to ask for, in bytes. 4 MiB holds 32 ms at 1 Gbit/s while the loop is busy elsewhere.
    /// What was got is in `SocketCapabilities`; the usual limit without privileges is 208 KiB.
    public var receiveBufferByteCount = 4 << 20
    /// The kernel send buffer to ask for, in bytes.
    public var sendBufferByteCount = 4 << 20
    /// Whether datagrams may be handed to the kernel in runs (UDP_SEGMENT).
    public var usesSegmentationOffload = true
    /// Whether the kernel may hand in several datagrams as one (UDP_GRO).
    public var usesReceiveOffload = true
    /// How many kernel messages one read may bring, 1 to 64. Each is a slot of `receiveSlotByteCount`.
    public var receiveSlotCount = 16
    /// The size of a slot, in bytes. 65,536 is above every UDP payload and every coalesced one, so that nothing can
    /// arrive cut; memory is touched only as far as datagrams reach. A datagram that fills a smaller slot to its last
    /// byte is taken for cut, dropped and counted.
    public var receiveSlotByteCount = 65_536
    /// Bytes that wait for the kernel at most, per address family, at least 65,536. 256 KiB is four full GSO runs, and
    /// more than the default kernel send buffer takes at once.
    public var sendQueueByteCount = 256 << 10
    /// Messages (datagrams or GSO runs) that wait for the kernel at most, per address family, 1 to 1,024 (the most one
    /// sendmmsg takes).
    public var sendQueueMessageCount = 512
    /// How many sockets of each family take datagrams, 1, 2, 4 or 8; nil for as many as the wanted receive buffer needs, where the
    /// kernel gives less for one: up to `mostStripes`. Fragments of packets go to them in turn, 16 packets each, so that a
    /// loop that is late finds what came meanwhile; all else comes to the first one, and the order of a stream hardly
    /// changes.
    public var stripeCount: Int?
    /// The default kernel limit lets a socket hold some 400 KB in large runs: 0.8 ms at 4 Gbit/s, less than a slice of the
    /// scheduler. Two carry a fifth more than one on a busy machine; four no more than two, at a twelfth more CPU, as the
    /// window grows out of the caches (decision 0024).
    public static let mostStripes = 2
    /// How many event loops have sockets at the same address and port, 1 to 256: each has an endpoint of its own, opened
    /// one after the other. The kernel gives a datagram to the endpoint, counted from 0 in that order, that its first byte
    /// names, modulo this number; where it cannot, by the datagram's addresses. A run that the kernel carries in one piece
    /// (GSO, GRO) goes where its first datagram goes, an empty datagram anywhere. Other programs of the same user may bind the port too.
    public var sharingLoopCount = 1
    /// Another event loop of this gateway has the port already: all but the first one.
    public var joinsPort = false

    /// The defaults.
    public init() {}

    /// For a socket that carries a small datagram now and then: as little memory as will do.
    public static var small: SocketConfiguration {
        var result = SocketConfiguration()
        result.receiveBufferByteCount = 64 << 10
        result.sendBufferByteCount = 64 << 10
        result.receiveSlotCount = 1
        // Above any datagram that is not in fragments.
        result.receiveSlotByteCount = 2_048
        result.sendQueueByteCount = 64 << 10
        result.sendQueueMessageCount = 64
        result.stripeCount = 1
        result.usesReceiveOffload = false
        return result
    }

    /// How many sockets it takes where the kernel gives one so large a buffer (bookkeeping included, which is half).
    func stripes(receiveBufferByteCount got: Int) -> Int {
        let wanted = stripeCount ?? min(Self.mostStripes, receiveBufferByteCount * 2 / max(1, got))
        var stripes = 1
        while stripes * 2 <= min(wanted, 8) { stripes *= 2 }
        return stripes
    }
}
