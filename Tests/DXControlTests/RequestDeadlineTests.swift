import DXTestFiles
import Hummingbird
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@testable import DXControl

/// Who may hold a connection to the control socket, and for how long.
@Suite struct RequestDeadlineTests {
    private static let patience = TimeAmount.milliseconds(100)

    /// Keeps what comes.
    private final class Collector: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        private let text = NIOLockedValueBox("")

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let part = String(buffer: unwrapInboundIn(data))
            text.withLockedValue { $0 += part }
        }

        func wait(for end: String) async throws {
            while !text.withLockedValue({ $0.contains(end) }) { try await Task.sleep(for: .milliseconds(2)) }
        }
    }

    /// Runs `body` beside a server with `/echo`, which answers while it is asked, and `/whole`, which waits for all of the request.
    private func withServer(_ body: @Sendable (_ path: String) async throws -> Void) async throws {
        let directory = TemporaryDirectory()
        let path = directory.file("control.sock")
        let (listening, isListening) = AsyncStream<Void>.makeStream()
        let server = ControlServer(
            path: path, logger: Logger(label: "test"), patience: Self.patience, onListening: { isListening.finish() }
        ) {
            let router = Router()
            router.post("echo") { request, _ in
                Response(
                    status: .ok,
                    body: ResponseBody { writer in
                        for try await part in request.body { try await writer.write(part) }
                        try await writer.finish(nil)
                    })
            }
            router.post("whole") { request, _ in
                Response(status: .ok, body: .init(byteBuffer: try await request.body.collect(upTo: 99)))
            }
            return router
        }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try? await server.run() }
            for await _ in listening {}
            try await body(path)
            tasks.cancelAll()
        }
    }

    private static func connect(_ path: String, _ collector: Collector = Collector()) async throws -> any Channel {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { $0.pipeline.addHandler(collector) }
            .connect(unixDomainSocketPath: path).get()
    }

    @Test(arguments: [
        "", "POST /whole HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf",
        "POST /whole HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nwhole",
    ]) func whoAsksForNothingOrHalfIsLetGo(text: String) async throws {
        try await withServer { path in
            let client = try await Self.connect(path)
            if !text.isEmpty { try await client.writeAndFlush(ByteBuffer(string: text)) }
            try await client.closeFuture.get()
        }
    }

    /// What a connection through a tunnel is: it may stand still.
    @Test func anAnswerThatHasBegunMayStandStill() async throws {
        try await withServer { path in
            let collector = Collector()
            let client = try await Self.connect(path, collector)
            let head = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            try await client.writeAndFlush(ByteBuffer(string: head + "5\r\nfirst\r\n"))
            try await collector.wait(for: "first")
            // One that asks for nothing comes later, and is let go earlier.
            for _ in 0..<3 { try await Self.connect(path).closeFuture.get() }
            try await client.writeAndFlush(ByteBuffer(string: "6\r\nsecond\r\n"))
            try await collector.wait(for: "second")
            // After its end the next request is waited for, as ever.
            try await client.writeAndFlush(ByteBuffer(string: "0\r\n\r\n"))
            try await client.closeFuture.get()
        }
    }
}
