public import DXTunnel
import FoundationEssentials
import Glibc
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix

/// Why a request to the control socket had no good answer.
public enum ControlClientError: Error, Sendable {
    /// Nobody answers at the path; the words say why.
    case notRunning(path: String, reason: String)
    /// The socket belongs to somebody else.
    case noPermission(path: String)
    /// No complete answer came in time.
    case timedOut(path: String, seconds: Int)
    /// The connection ended before the answer did.
    case broken(path: String)
    /// The gateway ended in the middle of an answer that goes on: it was killed.
    case ended(path: String)
    /// What came is not an answer of this API.
    case malformed(path: String, reason: String)
    /// The gateway answered with an error.
    case refused(ControlError)
}

extension ControlClientError: CustomStringConvertible {
    /// What is wrong and what to do.
    public var description: String {
        switch self {
        case .notRunning(let path, let reason):
            "no gateway is running at \(path) (\(reason)); start one with dxgateway run, or name its socket with --control"
        case .noPermission(let path):
            "the control socket \(path) belongs to another user; run this as root (sudo), or as the gateway's user"
        case .timedOut(let path, let seconds):
            "the gateway at \(path) did not answer within \(seconds) s; see its log"
        case .ended(let path): "the gateway at \(path) ended without a word; see its log"
        case .broken: "the connection was reset; dxgateway tunnel show NAME shows the tunnel's last error"
        case .malformed(let path, let reason):
            "the answer at \(path) is not a gateway's (\(reason)); check that both have one version"
        case .refused(let error): error.description
        }
    }
}

/// Asks a running gateway over its control socket. Each request is one connection.
public struct ControlClient: Sendable {
    /// The path of the socket.
    public let path: String
    /// How long a request may take, in seconds.
    public let timeoutSeconds: Int

    /// The largest answer that is read, in bytes: 1,024 peers and 4,096 tunnels of about 1 kB each fit.
    private static let maximumAnswerBytes = 16 << 20

    /// A client for the socket at `path`.
    public init(path: String, timeoutSeconds: Int = 10) {
        self.path = path
        self.timeoutSeconds = timeoutSeconds
    }

    /// The gateway's status, and the JSON text as it came.
    public func status() async throws(ControlClientError) -> (status: GatewayStatus, json: String) {
        let json = try await request(.GET, "/v1/status", body: nil)
        return (try decode(GatewayStatus.self, from: json), json)
    }

    /// Probes a peer; see `PingRequest`. Returns the JSON text as it came, too.
    public func ping(_ ping: PingRequest) async throws(ControlClientError) -> (reply: PingReply, json: String) {
        let body: Data
        do { body = try ControlJSON.encode(ping) } catch {
            preconditionFailure("a string and a number can be written as JSON: \(error)")
        }
        let json = try await request(.POST, "/v1/ping", body: ByteBuffer(bytes: body))
        return (try decode(PingReply.self, from: json), json)
    }

    /// Asks for something about the group; `body` is sent as JSON. Returns the JSON text as it came, too.
    public func group<Reply: Decodable>(
        _ method: GroupMethod, _ uri: String, _ body: (any Encodable & Sendable)? = nil, as: Reply.Type
    ) async throws(ControlClientError) -> (reply: Reply, json: String) {
        var buffer: ByteBuffer?
        if let body {
            do { buffer = ByteBuffer(bytes: try ControlJSON.encode(body)) } catch {
                preconditionFailure("requests can be written as JSON: \(error)")
            }
        }
        let json = try await request(HTTPMethod(rawValue: method.rawValue), uri, body: buffer)
        return (try decode(Reply.self, from: json), json)
    }

    /// How something about the group is asked for.
    public enum GroupMethod: String, Sendable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
    }

    private func decode<Value: Decodable>(_: Value.Type, from json: String) throws(ControlClientError) -> Value {
        do { return try JSONDecoder().decode(Value.self, from: Data(json.utf8)) } catch {
            throw .malformed(path: path, reason: "\(error)")
        }
    }

    // MARK: One request

    typealias Connection = NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>

    /// Asks until the gateway is ready: its socket is there some milliseconds before the gateway has started, and scripts
    /// ask at once.
    private func request(
        _ method: HTTPMethod, _ uri: String, body: ByteBuffer?
    ) async throws(ControlClientError) -> String {
        let end = ContinuousClock.now + .seconds(timeoutSeconds)
        while true {
            do throws(ControlClientError) { return try await attempt(method, uri, body: body) } catch {
                guard case .refused(let refusal) = error, refusal.code == .notReady, ContinuousClock.now < end,
                    (try? await Task.sleep(for: Self.pause)) != nil
                else { throw error }
            }
        }
    }

    /// Between two requests to a gateway that is not ready yet.
    private static let pause = Duration.milliseconds(50)

    /// Sends one request; returns the body of a 200 answer without its final newline.
    private func attempt(
        _ method: HTTPMethod, _ uri: String, body: ByteBuffer?
    ) async throws(ControlClientError) -> String {
        let connection = try await connect()
        // Closing the connection ends the exchange with an error; the flag tells that error from others.
        let expired = NIOLockedValueBox(false)
        let timeout = connection.channel.eventLoop.scheduleTask(in: .seconds(Int64(timeoutSeconds))) {
            expired.withLockedValue { $0 = true }
            connection.channel.close(promise: nil)
        }
        defer { timeout.cancel() }
        let status: HTTPResponseStatus
        let text: String
        do {
            (status, text) = try await Self.exchange(connection, method, uri, body)
        } catch {
            if expired.withLockedValue({ $0 }) { throw .timedOut(path: path, seconds: timeoutSeconds) }
            throw .malformed(path: path, reason: "\(error)")
        }
        guard status == .ok else {
            guard let error = try? JSONDecoder().decode(ControlErrorBody.self, from: Data(text.utf8)) else {
                throw .malformed(path: path, reason: "HTTP \(status.code)")
            }
            throw .refused(error.controlError)
        }
        return text
    }

    func connect() async throws(ControlClientError) -> Connection {
        do {
            return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.seconds(Int64(timeoutSeconds)))
                .connect(unixDomainSocketPath: path) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        return try Connection(wrappingChannelSynchronously: channel)
                    }
                }
        } catch let error as IOError {
            switch error.errnoCode {
            case ENOENT: throw .notRunning(path: path, reason: "there is no such socket")
            case ECONNREFUSED, ENOTSOCK: throw .notRunning(path: path, reason: "nobody listens there")
            case EACCES, EPERM: throw .noPermission(path: path)
            default: throw .notRunning(path: path, reason: "\(error)")
            }
        } catch {
            throw .notRunning(path: path, reason: "\(error)")
        }
    }

    private struct IncompleteAnswer: Error, CustomStringConvertible {
        let description: String
    }

    private static func exchange(
        _ connection: Connection, _ method: HTTPMethod, _ uri: String, _ body: ByteBuffer?
    ) async throws -> (HTTPResponseStatus, String) {
        try await connection.executeThenClose { inbound, outbound in
            var head = HTTPRequestHead(version: .http1_1, method: method, uri: uri)
            head.headers.add(name: "host", value: "localhost")
            head.headers.add(name: "connection", value: "close")
            if let body {
                head.headers.add(name: "content-type", value: "application/json")
                head.headers.add(name: "content-length", value: String(body.readableBytes))
            }
            // All at once: a server that answers when it has the head may close before the end is written.
            let parts: [HTTPClientRequestPart] =
                [.head(head)] + (body.map { [.body(.byteBuffer($0))] } ?? []) + [.end(nil)]
            try await outbound.write(contentsOf: parts)
            var status: HTTPResponseStatus?
            var bytes = ByteBuffer()
            for try await part in inbound {
                switch part {
                case .head(let head): status = head.status
                case .body(var chunk):
                    guard bytes.readableBytes + chunk.readableBytes <= maximumAnswerBytes else {
                        throw IncompleteAnswer(description: "more than \(maximumAnswerBytes) bytes")
                    }
                    bytes.writeBuffer(&chunk)
                case .end:
                    guard let status else { throw IncompleteAnswer(description: "no head") }
                    var text = String(buffer: bytes)
                    if text.hasSuffix("\n") { text.removeLast() }
                    return (status, text)
                }
            }
            throw IncompleteAnswer(description: "it ended early")
        }
    }
}
