import DXMatch
import DXWire
import NIOCore
import NIOPosix

/// Sends a datagram to a server from a connected socket, on which the system tells when the other host, or a firewall, says that
/// nobody hears at that port (ICMP, RFC 1122 §4.1.3.3). Then a program is missing there, and it is not the network that lets no UDP
/// out. A hint for words alone. Bound to an event loop.
final class UDPRefusal {
    private var channel: (any Channel)?
    private var isOver = false

    /// Sends `datagram`; `refused` is called on the event loop, at most once.
    init(_ server: Endpoint, sending datagram: [UInt8], on eventLoop: any EventLoop, refused: @escaping () -> Void) {
        guard let address = try? SocketAddress(ipAddress: server.addressText, port: Int(server.port)) else { return }
        let handler = NIOLoopBound(Handler(refused), eventLoop: eventLoop)
        let owner = NIOLoopBound(self, eventLoop: eventLoop)
        DatagramBootstrap(group: eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(handler.value) }
            }
            .connect(to: address)
            .whenSuccess { channel in
                let refusal = owner.value
                guard !refusal.isOver else { return channel.close(promise: nil) }
                refusal.channel = channel
                let bytes = channel.allocator.buffer(bytes: datagram)
                channel.writeAndFlush(AddressedEnvelope(remoteAddress: address, data: bytes), promise: nil)
            }
    }

    /// Lets the socket go.
    func close() {
        isOver = true
        channel?.close(promise: nil)
        channel = nil
    }

    /// Hears of errors; what comes is of no interest.
    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        private var refused: (() -> Void)?

        init(_ refused: @escaping () -> Void) { self.refused = refused }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            guard (error as? IOError)?.errnoCode == ECONNREFUSED else { return }
            let refused = self.refused
            self.refused = nil
            refused?()
        }
    }
}

@available(*, unavailable)
extension UDPRefusal: Sendable {}
