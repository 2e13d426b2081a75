public import DXTunnel
import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore
import ServiceLifecycle

/// What the control API asks of a gateway whose channels are traced. `Gateway` fits it.
public protocol TraceControl: Sendable {
    /// Begins to trace the channel to a peer.
    func trace(of peer: String, for duration: Duration, addresses: Bool) async throws -> ChannelTrace
}

extension Gateway: TraceControl {}

/// `GET /v1/peers/{peer}/trace`: what the channel to a peer does, as qlog, while it does it (`docs/trace.md`).
///
/// It ends after `seconds`, when the channel or the gateway does, and when the client goes, or takes nothing for
/// `EventRoutes.writePatience`. A client that is slow holds up nothing: what is noted meanwhile is bounded, and what is missing is said.
struct TraceRoutes: Sendable {
    let traces: (any TraceControl)?

    /// When nothing is said.
    static let usualSeconds = 10
    /// What qlog in JSON text sequences is called (draft-ietf-quic-qlog-main-schema).
    static let contentType = "application/qlog+json-seq"
    private static let hint = "ask /v1/peers/cloud-1/trace?seconds=10&addresses=false"

    func add(to router: Router<BasicRequestContext>) {
        router.get("/v1/peers/:peer/trace") { [self] request, context in
            let peer = try context.parameters.require("peer")
            guard let traces else {
                throw ControlError(code: .notFound, message: "there is no gateway here", hint: "ask a gateway")
            }
            let query = request.uri.queryParameters
            let longest = Int(ChannelTrace.longest.components.seconds)
            guard let seconds = query["seconds"].map({ Int($0) }) ?? Self.usualSeconds, (1...longest).contains(seconds)
            else {
                throw ControlError(code: .badRequest, message: "seconds are 1 to \(longest)", hint: Self.hint)
            }
            let addresses = query["addresses"].map { String($0) } ?? "false"
            guard ["true", "false"].contains(addresses) else {
                throw ControlError(code: .badRequest, message: "addresses is true or false", hint: Self.hint)
            }
            let trace: ChannelTrace
            do {
                trace = try await traces.trace(of: peer, for: .seconds(seconds), addresses: addresses == "true")
            } catch { throw GatewayControlTarget.controlError(error) }
            return Response(
                status: .ok, headers: [.contentType: Self.contentType, .cacheControl: "no-store"],
                body: Self.body(trace, request.body))
        }
    }

    private static func body(_ trace: ChannelTrace, _ request: RequestBody) -> ResponseBody {
        ResponseBody { writer in
            try await request.consumeWithCancellationOnInboundClose { _ in
                // Else a client that reads would hold up the program's end.
                for await part in trace.cancelOnGracefulShutdown() { try await writer.write(part) }
            }
            try await writer.finish(nil)
        }
    }
}
