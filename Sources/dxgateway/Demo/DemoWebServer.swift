import DXControl
import NIOCore
import NIOPosix

/// The page of the demo: a line of text, then bytes that do not repeat soon.
enum DemoPage {
    static func make(byteCount: Int) -> [UInt8] {
        var page = Array("<!doctype html><title>DX</title><h1>Hello through the tunnel</h1>\n".utf8)
        page.reserveCapacity(byteCount)
        // A linear congruential generator (Knuth, MMIX): any lost, doubled or moved piece changes the page.
        var state: UInt64 = 1
        while page.count < byteCount {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            page.append(UInt8(ascii: "a") + UInt8(state &>> 33 % 26))
        }
        return page
    }
}

/// A web server with one page, on loopback: every request gets it, and the connection ends.
struct DemoWebServer {
    /// `127.0.0.1:port`.
    let address: String
    private let channel: any Channel

    static func start(page: [UInt8]) async throws -> DemoWebServer {
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: \(page.count)\r\nConnection: close\r\n\r\n"
        let answer = ByteBuffer(bytes: Array(head.utf8) + page)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(PageHandler(answer: answer))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        guard let port = channel.localAddress?.port else {
            throw CommandFailure(.failed, "the demo's web server has no port")
        }
        return DemoWebServer(address: "127.0.0.1:\(port)", channel: channel)
    }

    func stop() async throws { try await channel.close() }
}

/// Answers the first request of a connection, then closes it.
private final class PageHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let answer: ByteBuffer
    private var lastBytes: [UInt8] = []
    private var isAnswered = false

    init(answer: ByteBuffer) { self.answer = answer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // A request without a body ends with an empty line, which may come in pieces.
        lastBytes = Array((lastBytes + Array(unwrapInboundIn(data).readableBytesView)).suffix(4))
        guard !isAnswered, lastBytes == Array("\r\n\r\n".utf8) else { return }
        isAnswered = true
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(answer)).whenComplete { _ in channel.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// Fetches the demo's page as a browser would.
enum DemoFetch {
    /// The body that a web server at `address` answers to `GET /`.
    static func get(_ address: String) async throws -> [UInt8] {
        guard let colon = address.lastIndex(of: ":"), let port = Int(address[address.index(after: colon)...]) else {
            throw CommandFailure(.failed, "\(address) is not an address")
        }
        let connection = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: String(address[..<colon]), port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        // Loopback carries the page in a fraction of a second; a minute is a failure.
        let timeout = connection.channel.eventLoop.scheduleTask(in: .seconds(60)) {
            connection.channel.close(promise: nil)
        }
        defer { timeout.cancel() }
        return try await connection.executeThenClose { inbound, outbound in
            try await outbound.write(
                ByteBuffer(string: "GET / HTTP/1.1\r\nHost: \(address)\r\nConnection: close\r\n\r\n"))
            var bytes = ByteBuffer()
            for try await var chunk in inbound { bytes.writeBuffer(&chunk) }
            return try body(of: Array(bytes.readableBytesView))
        }
    }

    private static func body(of answer: [UInt8]) throws -> [UInt8] {
        let end = Array("\r\n\r\n".utf8)
        guard answer.starts(with: Array("HTTP/1.1 200 ".utf8)),
            let gap = answer.indices.first(where: { answer[$0...].starts(with: end) })
        else { throw CommandFailure(.failed, "the answer through the tunnel is not a page") }
        return Array(answer[(gap + end.count)...])
    }
}
