import DXTestFiles
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
import NIOPosix
import Testing

@testable import DXControl

/// Who may hold a connection to the control socket, and for how long.
@Suite struct RequestDeadlineTests {
    /// One connection with a patience of 30 s, on a clock that the test moves.
    private struct Connection {
        private let channel: EmbeddedChannel

        init() throws {
            channel = EmbeddedChannel(handler: RequestDeadline(.seconds(30)))
            try channel.connect(to: SocketAddress(unixDomainSocketPath: "/nowhere")).wait()
        }

        /// Whether it was still open after this time.
        func lasts(_ seconds: Int64) -> Bool {
            channel.embeddedEventLoop.advanceTime(by: .seconds(seconds))
            return channel.isActive
        }

        func asks(_ part: HTTPRequestPart) throws { try channel.writeInbound(part) }

        func asks() throws { try asks(.head(HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/"))) }

        func answers(_ part: HTTPResponsePart) throws { try channel.writeOutbound(part) }

        func answers(_ status: HTTPResponse.Status = .ok) throws { try answers(.head(HTTPResponse(status: status))) }
    }

    @Test func whoAsksForNothingIsLetGo() throws {
        let connection = try Connection()
        #expect(connection.lasts(29))
        #expect(!connection.lasts(1))
    }

    @Test func whoLeavesARequestHalfSaidIsLetGo() throws {
        let connection = try Connection()
        #expect(connection.lasts(29))
        try connection.asks()
        #expect(connection.lasts(29))
        try connection.asks(.body(ByteBuffer(string: "half")))
        #expect(connection.lasts(29))
        #expect(!connection.lasts(1))
    }

    /// The program's own work may take its time.
    @Test func anAnswerMayBeLong() throws {
        let connection = try Connection()
        try connection.asks()
        try connection.asks(.end(nil))
        #expect(connection.lasts(3_600))
        try connection.answers()
        try connection.answers(.end(nil))
        // The next request is waited for, as ever.
        #expect(connection.lasts(29))
        #expect(!connection.lasts(1))
    }

    /// What a connection through a tunnel is: it may stand still.
    @Test func anAnswerThatHasBegunMayStandStill() throws {
        let connection = try Connection()
        try connection.asks()
        #expect(connection.lasts(29))
        try connection.answers()
        #expect(connection.lasts(3_600))
        try connection.asks(.body(ByteBuffer(string: "later")))
        #expect(connection.lasts(3_600))
        try connection.asks(.end(nil))
        #expect(connection.lasts(3_600))
        try connection.answers(.end(nil))
        #expect(connection.lasts(29))
        #expect(!connection.lasts(1))
    }

    /// "Go on" is no answer yet.
    @Test func whoIsToldToGoOnHasToGoOn() throws {
        let connection = try Connection()
        try connection.asks()
        try connection.answers(.continue)
        #expect(connection.lasts(29))
        #expect(!connection.lasts(1))
    }

    @Test func theServerLetsGoWhoAsksForNothing() async throws {
        let directory = TemporaryDirectory()
        let path = directory.file("control.sock")
        let (listening, isListening) = AsyncStream<Void>.makeStream()
        let server = ControlServer(
            path: path, logger: Logger(label: "test"), patience: .milliseconds(100),
            onListening: { isListening.finish() }
        ) { Router() }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try? await server.run() }
            for await _ in listening {}
            let client = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(unixDomainSocketPath: path).get()
            try await client.closeFuture.get()
            tasks.cancelAll()
        }
    }
}
