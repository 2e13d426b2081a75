internal import CDXSystem
public import DXWire
import Glibc
public import NIOCore
internal import NIOPosix

/// What an `ApplicationSocket` calls, always on its event loop.
public protocol ApplicationSocketHandler: AnyObject, SendableMetatype {
    /// A datagram came.
    /// - Parameters:
    ///   - datagram: Its bytes, for the length of this call. May be empty.
    ///   - source: Who sent it.
    ///   - local: The address that it was sent to, with the socket's port; nil where nobody asked, or the kernel did not say.
    ///   - socket: Where it came.
    func received(_ datagram: RawSpan, from source: Endpoint, local: Endpoint?, on socket: ApplicationSocket<Self>)

    /// An answer of the network to something sent before: this errno, mostly ECONNREFUSED. The socket goes on.
    func failed(_ errnoCode: Int32, on socket: ApplicationSocket<Self>)

    /// The socket is closed, and nobody asked for that.
    func closed(_ socket: ApplicationSocket<Self>)
}

/// A UDP socket towards applications: an origin's, bound, or that of one flow at a destination, connected.
///
/// Unlike `UDPEndpoint` it sets no DF, so that what is larger than the path carries goes in fragments, and sends one datagram
/// with each call, at once: what the kernel does not take is lost, as UDP is. SwiftNIO reads; a datagram is sent on the same
/// descriptor while SwiftNIO has it open, so that no error of sending closes the socket. Bound to its event loop.
public final class ApplicationSocket<Handler: ApplicationSocketHandler>: ChannelInboundHandler {
    /// What SwiftNIO reads.
    public typealias InboundIn = AddressedEnvelope<ByteBuffer>

    /// Where it is bound, with the real port.
    public let local: Endpoint
    private let eventLoop: any EventLoop
    private let isConnected: Bool
    private weak var handler: Handler?
    /// -1 once it is closed.
    private var descriptor: CInt
    private var channel: (any Channel)?
    private var isClosing = false

    /// Binds to `local`, at once; port 0 takes a random one. Nobody reaches it before `setOpen`.
    ///
    /// Throws `BindError`.
    public init(
        bound local: Endpoint, on eventLoop: any EventLoop, handler: Handler
    ) throws(BindError) {
        (descriptor, self.local) = try Self.bind(local)
        _ = dx_udp_receive_buffer(descriptor, Self.boundReceiveBuffer)
        self.eventLoop = eventLoop
        self.handler = handler
        isConnected = false
        setOpen(false)
        read()
    }

    /// Connects to `remote`, at once; nothing is sent by that.
    ///
    /// Throws `BindError` with the remote's address.
    public init(
        connectedTo remote: Endpoint, on eventLoop: any EventLoop, handler: Handler
    ) throws(BindError) {
        let descriptor = dx_udp_open_fragmenting(remote.family == .v6)
        guard descriptor >= 0 else { throw BindError(remote, -descriptor) }
        var name = unsafe Self.message(remote)
        let result = unsafe dx_udp_connect(descriptor, &name)
        guard result == 0 else {
            _ = Glibc.close(descriptor)
            throw BindError(remote, -result)
        }
        let any = remote.family == .v4 ? Endpoint(v4: 0, port: 0) : Endpoint(v6High: 0, low: 0, port: 0)
        local = any.withPort(UInt16(truncatingIfNeeded: max(0, dx_udp_port(descriptor, remote.family == .v6))))
        self.eventLoop = eventLoop
        self.handler = handler
        self.descriptor = descriptor
        isConnected = true
        read()
    }

    /// What an origin's socket holds while the event loop is elsewhere: 1 MiB is 80 ms at 100 Mbit/s. The kernel may give less.
    private static var boundReceiveBuffer: CInt { 1 << 20 }

    private static func bind(_ local: Endpoint) throws(BindError) -> (CInt, Endpoint) {
        var tries = 0
        while true {
            tries += 1
            // A port that the kernel chose is lost when the socket is connected to nobody again (udp_disconnect): so it is found
            // out with a socket of its own, and asked for by its number.
            let wanted = local.port == 0 ? local.withPort(try randomPort(local)) : local
            let descriptor = dx_udp_open_fragmenting(local.family == .v6)
            guard descriptor >= 0 else { throw BindError(local, -descriptor) }
            var name = unsafe message(wanted)
            let result = unsafe dx_udp_bind(descriptor, &name)
            if result == 0 { return (descriptor, wanted) }
            _ = Glibc.close(descriptor)
            guard local.port == 0, result == -EADDRINUSE, tries < portTries else { throw BindError(local, -result) }
        }
    }

    /// Somebody else may take the port that was found free.
    private static var portTries: Int { 16 }

    private static func randomPort(_ local: Endpoint) throws(BindError) -> UInt16 {
        let descriptor = dx_udp_open_fragmenting(local.family == .v6)
        guard descriptor >= 0 else { throw BindError(local, -descriptor) }
        defer { _ = Glibc.close(descriptor) }
        var name = unsafe message(local)
        let result = unsafe dx_udp_bind(descriptor, &name)
        let port = result == 0 ? dx_udp_port(descriptor, local.family == .v6) : result
        guard port >= 0 else { throw BindError(local, -port) }
        return UInt16(truncatingIfNeeded: port)
    }

    private static func message(_ endpoint: Endpoint) -> dx_message {
        var message = unsafe dx_message()
        unsafe message.high = endpoint.high
        unsafe message.low = endpoint.low
        unsafe message.scope = endpoint.scope
        unsafe message.port = endpoint.port
        unsafe message.is_v6 = endpoint.family == .v6
        return unsafe message
    }

    // MARK: Who reaches it

    /// Lets datagrams in, or has the kernel tell their senders that nobody is there, as it does for a port that nobody has. The
    /// port stays taken. For a bound socket.
    public func setOpen(_ isOpen: Bool) {
        guard descriptor >= 0, !isConnected else { return }
        if isOpen {
            _ = dx_udp_connect(descriptor, nil)
            return
        }
        // Connected to itself, which never sends anything, it hears nobody.
        let loopback =
            local.family == .v4
            ? Endpoint(v4: 0x7f00_0001, port: local.port) : Endpoint(v6High: 0, low: 1, port: local.port)
        var name = unsafe Self.message(local.isUnspecified ? loopback : local)
        _ = unsafe dx_udp_connect(descriptor, &name)
    }

    // MARK: Sending

    /// Sends one datagram now, to whom the socket is connected, or to `destination`. 0, or the errno for which it is lost.
    ///
    /// - Parameter source: the local address to send from; nil leaves it to the routing table. Its port is ignored.
    public func send(_ datagram: RawSpan, to destination: Endpoint? = nil, from source: Endpoint? = nil) -> Int32 {
        guard descriptor >= 0, channel?.isActive ?? true, destination != nil || isConnected else { return EBADF }
        return unsafe datagram.withUnsafeBytes { bytes in
            var message = unsafe Self.message(destination ?? local)
            unsafe message.bytes = bytes.baseAddress
            unsafe message.byte_count = UInt32(truncatingIfNeeded: bytes.count)
            if let source, source.family == local.family, !source.isUnspecified, local.isUnspecified {
                unsafe message.has_source = true
                unsafe message.source_high = source.high
                unsafe message.source_low = source.low
                unsafe message.source_scope = source.scope
            }
            return unsafe -dx_udp_send(descriptor, &message, isConnected)
        }
    }

    /// Closes it; the handler hears nothing more.
    public func close() {
        guard !isClosing else { return }
        isClosing = true
        handler = nil
        // SwiftNIO closes the descriptor with its channel, once it has it.
        channel?.close(promise: nil)
    }

    // MARK: Receiving

    private func read() {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        DatagramBootstrap(group: eventLoop)
            // Above every UDP payload, so that nothing arrives cut. It is used again for each datagram, as nobody keeps one, and of what
            // it has only the pages that datagrams filled are in memory.
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 65_536))
            // What one turn of the transport carries well; then timers and other sockets get their turn.
            .channelOption(.maxMessagesPerRead, value: 16)
            .channelOption(.receivePacketInfo, value: !isConnected && local.isUnspecified)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(bound.value) }
            }
            .withBoundSocket(descriptor)
            .whenComplete { bound.value.opened($0) }
    }

    private func opened(_ result: Result<any Channel, any Error>) {
        switch result {
        case .success(let channel):
            self.channel = channel
            if isClosing { channel.close(promise: nil) }
        case .failure: ended()
        }
    }

    /// SwiftNIO read a datagram.
    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        if let handler, let source = Endpoint(envelope.remoteAddress) {
            var local: Endpoint?
            if let info = envelope.metadata?.packetInfo, let address = Endpoint(info.destinationAddress) {
                let scope = address.isLinkLocalV6 ? UInt32(truncatingIfNeeded: info.interfaceIndex) : 0
                local = address.withScope(scope).withPort(self.local.port)
            }
            handler.received(envelope.data.readableBytesSpan, from: source, local: local, on: self)
        }
    }

    /// SwiftNIO met an error: after ECONNREFUSED and ENOMEM it goes on, after any other it closes.
    public func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? IOError else { return }
        handler?.failed(error.errnoCode, on: self)
    }

    /// SwiftNIO closed the descriptor.
    public func channelInactive(context: ChannelHandlerContext) { ended() }

    private func ended() {
        descriptor = -1
        channel = nil
        let handler = handler
        self.handler = nil
        handler?.closed(self)
    }
}

@available(*, unavailable)
extension ApplicationSocket: Sendable {}
