import NIOCore
import NIOPosix

/// One connection to a unix socket, as a program that knows nothing of ours makes it.
enum UnixSocketExchange {
    /// Writes `bytes`, then reads until the other side closes.
    static func send(_ bytes: [UInt8], to path: String) throws -> [UInt8] {
        let received = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: [UInt8].self)
        let channel = try ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Collector(promise: received))
                }
            }
            .connect(unixDomainSocketPath: path).wait()
        channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
        return try received.futureResult.wait()
    }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let promise: EventLoopPromise<[UInt8]>
        private var bytes: [UInt8] = []

        init(promise: EventLoopPromise<[UInt8]>) { self.promise = promise }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            bytes += Array(unwrapInboundIn(data).readableBytesView)
        }

        func channelInactive(context: ChannelHandlerContext) { promise.succeed(bytes) }
    }
}
