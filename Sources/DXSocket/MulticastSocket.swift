internal import CDXSystem
public import DXWire
internal import Glibc
public import NIOCore
internal import NIOPosix

/// A UDP socket that hears what is sent to a multicast group, beside others of this host that do the same. It sends nothing. Bound
/// to an event loop.
public final class MulticastSocket {
    private let family: Endpoint.Family
    /// To join groups with: SwiftNIO reads another descriptor of the same socket. -1 when it is closed.
    private var descriptor: CInt
    private var channel: (any Channel)?
    private var joined: Set<UInt32> = []

    /// More interfaces than the kernel lets a socket join groups on (igmp_max_memberships is 20).
    private static let mostInterfaces = 16
    /// Datagrams of a group are small.
    private static let slotByteCount = 2_048

    /// A socket at `port` of all addresses of one family; nil when it cannot be had.
    ///
    /// - Parameter received: called on the event loop with each datagram and where it came from, an IPv6 link-local address with its
    ///   scope.
    public init?(
        _ family: Endpoint.Family, port: UInt16, on eventLoop: any EventLoop,
        received: @escaping (RawSpan, Endpoint) -> Void
    ) {
        self.family = family
        let opened = dx_udp_open_multicast(family == .v6, port)
        guard opened >= 0 else { return nil }
        descriptor = fcntl(opened, F_DUPFD_CLOEXEC, 0)
        guard descriptor >= 0 else {
            _ = Glibc.close(opened)
            return nil
        }
        let reader = NIOLoopBound(MulticastReader(received), eventLoop: eventLoop)
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        DatagramBootstrap(group: eventLoop)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: Self.slotByteCount))
            .channelOption(.maxMessagesPerRead, value: 4)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(reader.value) }
            }
            .withBoundSocket(opened).whenSuccess { bound.value.opened($0) }
    }

    private func opened(_ channel: any Channel) {
        guard descriptor >= 0 else { return channel.close(promise: nil) }
        self.channel = channel
    }

    /// Hears what is sent to the group on the interface of that number from now on; false when the kernel refuses it.
    public func join(_ group: Endpoint, on interface: UInt32) -> Bool {
        guard descriptor >= 0, group.family == family else { return false }
        // Joining twice does nothing; an interface that went away and came back is joined again.
        guard joined.contains(interface) || joined.count < Self.mostInterfaces else { return false }
        guard dx_udp_join(descriptor, family == .v6, group.high, group.low, interface) == 0 else { return false }
        joined.insert(interface)
        return true
    }

    /// Only these interfaces are there still: the kernel has left the group on others, whose places are free.
    public func forget(allBut interfaces: Set<UInt32>) { joined.formIntersection(interfaces) }

    /// Lets the socket go.
    public func close() {
        guard descriptor >= 0 else { return }
        _ = Glibc.close(descriptor)
        descriptor = -1
        channel?.close(promise: nil)
        channel = nil
    }

    deinit { if descriptor >= 0 { _ = Glibc.close(descriptor) } }
}

@available(*, unavailable)
extension MulticastSocket: Sendable {}

/// Hands over what SwiftNIO read.
private final class MulticastReader: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let received: (RawSpan, Endpoint) -> Void

    init(_ received: @escaping (RawSpan, Endpoint) -> Void) { self.received = received }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        guard let source = Endpoint(envelope.remoteAddress) else { return }
        received(envelope.data.readableBytesSpan, source)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // SwiftNIO closes the channel where that is needed; then neighbours are found by their answers alone.
    }
}

@available(*, unavailable)
extension MulticastReader: Sendable {}
