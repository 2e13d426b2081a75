import DXControl
import DXTestFiles
import DXTunnel
import Foundation
import Glibc
import Logging
import NIOCore
import NIOPosix
import Testing

/// A gateway that knows peer cloud-1, loses every third probe to it, and has no session to cloud-2; `late` is not ready for
/// three requests.
private actor ScriptedTarget: ControlTarget {
    private var probes = 0
    private var early = 0

    nonisolated var match: (any MatchControl)? { ScriptedMatch() }

    func status() -> GatewayStatus { sampleStatus }

    func ping(peer: String) throws -> Duration {
        switch peer {
        case "cloud-1":
            probes += 1
            guard probes % 3 != 0 else {
                throw ControlError(code: .timedOut, message: "no answer within 5 s", hint: "look at status")
            }
            return .microseconds(1_000 + probes)
        case "cloud-2":
            throw ControlError(code: .notConnected, message: "cloud-2 is down", hint: "look at status")
        case "broken": throw CancellationError()
        case "late":
            early += 1
            guard early > 3 else { throw ControlError(code: .notReady, message: "starting", hint: "ask again") }
            return .microseconds(early)
        default:
            throw ControlError(code: .unknownPeer, message: "no peer \"\(peer)\"", hint: "use cloud-1 or cloud-2")
        }
    }
}

/// Knows the peer edge-1.
private struct ScriptedMatch: MatchControl {
    func checkNetwork() throws -> NetworkReport { try sample(NetworkReport.self, sampleNetworkJSON) }

    func explain(_ peer: String) throws -> PeerExplanation {
        guard peer == "edge-1" else { throw GatewayError.unknownPeer(peer) }
        return try sample(PeerExplanation.self, sampleExplanationJSON)
    }
}

/// Runs a server at `path` while `body` runs; returns when its socket is gone.
private func withServer(at path: String, _ body: @Sendable () async throws -> Void) async throws {
    let (listening, continuation) = AsyncStream.makeStream(of: Void.self)
    let server = ControlServer(
        path: path, target: ScriptedTarget(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
        onListening: { continuation.yield() })
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            // A server that never listens ends the wait with its error.
            defer { continuation.finish() }
            try await server.run()
        }
        for await _ in listening {
            try await body()
            group.cancelAll()
        }
        try await group.waitForAll()
    }
}

/// A client that waits for as long as any loaded machine may take.
private func client(_ path: String) -> ControlClient { ControlClient(path: path, timeoutSeconds: 600) }

@Suite struct ControlServerTests {
    private let directory = TemporaryDirectory()
    private var path: String { directory.file("edge.sock") }

    @Test func answersStatus() async throws {
        try await withServer(at: path) { [path] in
            let (status, json) = try await client(path).status()
            #expect(status == sampleStatus)
            #expect(json.hasPrefix("{\"drops\":{\"unknown_connection\":3},\"healthy\":false,"))
            #expect(json.hasSuffix("}"))
        }
    }

    @Test func answersPing() async throws {
        try await withServer(at: path) { [path] in
            let client = client(path)
            let (two, json) = try await client.ping(PingRequest(peer: "cloud-1", count: 2))
            #expect(two == PingReply(peer: "cloud-1", sent: 2, rttMicroseconds: [1_001, 1_002]))
            #expect(json == #"{"peer":"cloud-1","rtt_us":[1001,1002],"schema":1,"sent":2}"#)
            // The third probe is lost: that ends the request and is no error.
            let lost = try await client.ping(PingRequest(peer: "cloud-1", count: 9)).reply
            #expect(
                lost
                    == PingReply(peer: "cloud-1", sent: 1, rttMicroseconds: [], lastError: "no answer within 5 s"))
        }
    }

    @Test func answersNetcheckAndExplain() async throws {
        try await withServer(at: path) { [path] in
            let client = client(path)
            let (network, text) = try await client.checkNetwork()
            #expect(text == sampleNetworkJSON && network.matchmakers.count == 2)
            let (explanation, json) = try await client.explain("edge-1")
            #expect(json == sampleExplanationJSON && explanation.peer == "edge-1")
            let error = await #expect(throws: ControlClientError.self) { _ = try await client.explain("nobody") }
            guard case .refused(let refusal) = error else { return #expect(Bool(false), "refused") }
            #expect(refusal.code == .unknownPeer && refusal.hint == "dxgateway peers lists them")
        }
    }

    /// The socket is there before the gateway is: who asks at once need not ask again.
    @Test func aGatewayThatStartsIsWaitedFor() async throws {
        try await withServer(at: path) { [path] in
            let reply = try await client(path).ping(PingRequest(peer: "late", count: 1)).reply
            #expect(reply.rttMicroseconds == [4])
        }
    }

    @Test func answersErrorsAsJSON() async throws {
        try await withServer(at: path) { [path] in
            let client = client(path)
            let cases: [(PingRequest, ControlError)] = [
                (
                    PingRequest(peer: "nobody"),
                    ControlError(code: .unknownPeer, message: "no peer \"nobody\"", hint: "use cloud-1 or cloud-2")
                ),
                (
                    PingRequest(peer: "cloud-2", count: 3),
                    ControlError(code: .notConnected, message: "cloud-2 is down", hint: "look at status")
                ),
                (
                    PingRequest(peer: "cloud-1", count: 101),
                    ControlError(
                        code: .badRequest, message: "count 101 is outside 1 to 100",
                        hint: "send {\"peer\": \"cloud-1\", \"count\": 4}")
                ),
                (
                    PingRequest(peer: "broken"),
                    ControlError(code: .failed, message: "CancellationError()", hint: "see the gateway's log")
                ),
            ]
            for (request, expected) in cases {
                let error = await #expect(throws: ControlClientError.self) { _ = try await client.ping(request) }
                guard case .refused(expected) = error else {
                    Issue.record("\(request) drew \(String(describing: error))")
                    continue
                }
            }
        }
    }

    @Test func answersOtherPrograms() async throws {
        try await withServer(at: path) { [path] in
            let status = try #require(
                try exchange(path, "GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
            #expect(status.head.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(status.head.lowercased().contains("content-type: application/json; charset=utf-8\r\n"))
            #expect(status.body.hasPrefix("{\"drops\"") && status.body.hasSuffix("}\n"))
            let none = try #require(try exchange(path, "GET /v2/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
            #expect(none.head.hasPrefix("HTTP/1.1 404 Not Found\r\n"))
            #expect(
                none.body
                    == #"{"error":{"code":"not_found","hint":"GET /v1/openapi.json lists all; begin with GET /v1/status","#
                    + #""message":"there is no GET /v2/x"}}"# + "\n")
            let bad = try #require(
                try exchange(
                    path, "POST /v1/ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n[]"))
            #expect(bad.head.hasPrefix("HTTP/1.1 400 Bad Request\r\n"))
            let large = String(repeating: "x", count: 70_000)
            let refused = try #require(
                try exchange(
                    path,
                    "POST /v1/ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 70000\r\n\r\n\(large)"))
            #expect(refused.head.hasPrefix("HTTP/1.1 400 Bad Request\r\n"))
            #expect(refused.body.contains("bad_request"))
        }
    }

    @Test func keepsTheSocketToItsOwner() async throws {
        let deep = directory.file("a/b/edge.sock")
        try await withServer(at: deep) { [directory] in
            #expect(TemporaryDirectory.mode(of: deep) == 0o600)
            #expect(TemporaryDirectory.mode(of: directory.file("a")) == 0o700)
            #expect(TemporaryDirectory.mode(of: directory.file("a/b")) == 0o700)
        }
        #expect(TemporaryDirectory.mode(of: deep) == nil)
        #expect(directory.names == ["a"])
    }

    @Test func removesTheSocketAtTheEnd() async throws {
        try await withServer(at: path) { [directory] in #expect(directory.names == ["edge.sock"]) }
        #expect(directory.names.isEmpty)
    }

    @Test func replacesTheSocketOfADeadProcess() async throws {
        directory.makeDeadSocket("edge.sock")
        #expect(directory.names == ["edge.sock"])
        try await withServer(at: path) { [path] in _ = try await client(path).status() }
        #expect(directory.names.isEmpty)
    }

    @Test func leavesALivingGatewayAlone() async throws {
        try await withServer(at: path) { [path] in
            let error = await #expect(throws: ControlSocketError.self) { try await withServer(at: path) {} }
            #expect(
                error?.description
                    == "control socket \(path) is in use by a running gateway;"
                    + " stop that one, or set another control: path")
            _ = try await client(path).status()
        }
    }

    @Test func leavesOtherFilesAlone() async throws {
        directory.write("precious", to: "edge.sock")
        let error = await #expect(throws: ControlSocketError.self) { try await withServer(at: path) {} }
        #expect(error?.message == "is a file of another kind")
        #expect(directory.names == ["edge.sock"])
    }

    /// Whatever a client can connect to can be had, though the socket is bound under a longer path than its own.
    @Test(arguments: [60, 80, 84, 85, 86, 87, 88, 89, 90, 95, 101, 102, 103])
    func takesAnyPathThatClientsCanName(length: Int) async throws {
        let middle = String(repeating: "d", count: length - directory.path.utf8.count - "//s".utf8.count)
        let place = directory.file(middle) + "/s"
        #expect(place.utf8.count == length)
        try await withServer(at: place) { _ = try await client(place).status() }
        #expect(directory.names(in: middle).isEmpty)
    }

    @Test func refusesALongerOneBeforeAnythingIsMade() async throws {
        let middle = String(repeating: "d", count: 104 - directory.path.utf8.count - "//s".utf8.count)
        let place = directory.file(middle) + "/s"
        let error = await #expect(throws: ControlSocketError.self) { try await withServer(at: place) {} }
        #expect(
            error?.description
                == "control socket \(place) has a path that is too long for a socket; use a path of at most 103 bytes")
        #expect(directory.names.isEmpty)
    }

    /// Sends `text` to the socket and returns the answer, by plain bytes as any other program would.
    private func exchange(_ path: String, _ text: String) throws -> (head: String, body: String)? {
        let bytes = try UnixSocketExchange.send(Array(text.utf8), to: path)
        let answer = String(decoding: bytes, as: UTF8.self)
        guard let gap = answer.range(of: "\r\n\r\n") else { return nil }
        return (String(answer[..<gap.lowerBound]) + "\r\n", String(answer[gap.upperBound...]))
    }
}

@Suite struct ControlClientTests {
    @Test func saysWhenNobodyRuns() async throws {
        let directory = TemporaryDirectory()
        let path = directory.file("none.sock")
        let error = await #expect(throws: ControlClientError.self) { try await client(path).status() }
        #expect(
            error?.description == "no gateway is running at \(path) (there is no such socket);"
                + " start one with dxgateway run, or name its socket with --control")
    }

    @Test func saysWhenTheSocketIsDead() async throws {
        let directory = TemporaryDirectory()
        let path = directory.makeDeadSocket("dead.sock")
        let error = await #expect(throws: ControlClientError.self) { try await client(path).status() }
        guard case .notRunning(path, "nobody listens there") = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    /// A server that answers every connection with `answer`, then closes.
    private func withAnswer(_ answer: String, _ body: (String) async throws -> Void) async throws {
        let directory = TemporaryDirectory()
        let path = directory.file("odd.sock")
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(CannedAnswer(text: answer))
                }
            }
            .bind(unixDomainSocketPath: path).get()
        try await body(path)
        try await server.close()
    }

    @Test(arguments: [
        "", "hello\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
    ])
    func refusesWhatIsNoAnswer(_ answer: String) async throws {
        try await withAnswer(answer) { path in
            let error = await #expect(throws: ControlClientError.self) { try await client(path).status() }
            guard case .malformed(path, _) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
    }
}

/// Writes a fixed text after the first bytes arrive, then closes.
private final class CannedAnswer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let text: String

    init(text: String) { self.text = text }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text))).whenComplete { _ in
            // Only this half: closed with a part of the request unread, the socket would reset what was answered.
            channel.close(mode: .output, promise: nil)
        }
    }
}
