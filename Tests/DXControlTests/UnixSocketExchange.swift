import NIOCore
import NIOPosix

/// One connection to a unix socket, or to a port of this host, as a program that knows nothing of ours makes it.
enum UnixSocketExchange {
    /// Writes `bytes`, then reads until the other side closes.
    static func send(_ bytes: [UInt8], to path: String) throws -> [UInt8] {
        let received = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: [UInt8].self)
        let channel = try bootstrap(received).connect(unixDomainSocketPath: path).wait()
        channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
        return try received.futureResult.wait()
    }

    /// The same at a port of 127.0.0.1, for tests whose server needs the threads that this would hold.
    static func send(_ bytes: [UInt8], toPort port: UInt16) async throws -> [UInt8] {
        let received = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: [UInt8].self)
        do {
            let channel = try await bootstrap(received).connect(host: "127.0.0.1", port: Int(port)).get()
            channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
        } catch {
            received.fail(error)
        }
        return try await received.futureResult.get()
    }

    private static func bootstrap(_ received: EventLoopPromise<[UInt8]>) -> ClientBootstrap {
        ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Collector(promise: received))
                }
            }
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
