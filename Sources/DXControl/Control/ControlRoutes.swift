import DXTunnel
import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore

/// The endpoints of the control API: JSON in, JSON out, under `/v1/`.
struct ControlRoutes<Target: ControlTarget> {
    let target: Target

    /// No request of the API comes near this size.
    private static var maximumRequestBytes: Int { 65_536 }

    func makeRouter() -> Router<BasicRequestContext> {
        let router = Router()
        router.add(middleware: ControlErrorMiddleware())
        router.get("/v1/status") { [target] _, _ in try Self.json(try await target.status()) }
        router.post("/v1/ping") { [self] request, _ in try Self.json(try await ping(request)) }
        return router
    }

    private func ping(_ request: Request) async throws -> PingReply {
        let example = "send {\"peer\": \"cloud-1\", \"count\": 4}"
        let body: ByteBuffer
        do { body = try await request.body.collect(upTo: Self.maximumRequestBytes) } catch is NIOTooManyBytesError {
            throw ControlError(code: .badRequest, message: "the body is too long", hint: example)
        }
        guard let ping = try? JSONDecoder().decode(PingRequest.self, from: Data(body.readableBytesView)) else {
            throw ControlError(code: .badRequest, message: "the body is not a ping request", hint: example)
        }
        let count = ping.count ?? 1
        guard (1...PingRequest.maximumCount).contains(count) else {
            throw ControlError(
                code: .badRequest, message: "count \(count) is outside 1 to \(PingRequest.maximumCount)", hint: example)
        }
        var reply = PingReply(peer: ping.peer, sent: 0, rttMicroseconds: [])
        while reply.sent < count {
            reply.sent += 1
            do {
                reply.rttMicroseconds.append((try await target.ping(peer: ping.peer)).wholeMicroseconds)
            } catch let error as ControlError where reply.sent > 1 || error.code == .timedOut {
                // A lost probe is a finding, not a failure of the request.
                reply.lastError = error.message
                break
            }
        }
        return reply
    }

    private static func json(_ value: some Encodable) throws -> Response {
        try ControlJSON.response(value, status: .ok)
    }
}

/// Turns every error of an endpoint into its JSON form.
private struct ControlErrorMiddleware: RouterMiddleware {
    func handle(
        _ request: Request, context: BasicRequestContext,
        next: (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        do { return try await next(request, context) } catch let error as ControlError {
            return try Self.response(error)
        } catch let error as HTTPError where error.status == .notFound {
            return try Self.response(
                ControlError(
                    code: .notFound, message: "there is no \(request.method.rawValue) \(request.uri.path)",
                    hint: "GET /v1/status or POST /v1/ping"))
        } catch let error as HTTPError {
            return try Self.response(
                ControlError(
                    code: .badRequest, message: "the request was refused (\(error.status))", hint: "send a smaller one")
            )
        } catch {
            return try Self.response(
                ControlError(code: .failed, message: "\(error)", hint: "see the gateway's log"))
        }
    }

    private static func response(_ error: ControlError) throws -> Response {
        let status: HTTPResponse.Status =
            switch error.code {
            case .badRequest: .badRequest
            case .notFound, .unknownPeer: .notFound
            case .notConnected: .conflict
            case .timedOut: .gatewayTimeout
            case .notReady: .serviceUnavailable
            case .failed: .internalServerError
            }
        return try ControlJSON.response(ControlErrorBody(error), status: status)
    }
}

/// JSON as the control API writes it: keys in alphabetical order, so that two answers can be compared as text.
enum ControlJSON {
    static func encode(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(value)
    }

    static func response(_ value: some Encodable, status: HTTPResponse.Status) throws -> Response {
        var bytes = ByteBuffer(bytes: try encode(value))
        bytes.writeString("\n")
        return Response(
            status: status, headers: [.contentType: "application/json; charset=utf-8"],
            body: ResponseBody(byteBuffer: bytes))
    }
}

extension Duration {
    /// Whole microseconds, rounded down; 0 when negative.
    fileprivate var wholeMicroseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        return UInt64(seconds) &* 1_000_000 &+ UInt64(attoseconds / 1_000_000_000_000)
    }
}
