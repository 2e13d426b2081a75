import DXTunnel
import NIOCore
import NIOHTTP1

/// The least HTTP client there is, over a channel of a tunnel: one request, one response, and the end.
enum HTTPOverTunnel {
    /// A response whose body is text.
    struct Response: Sendable {
        var status: HTTPResponseStatus
        var body: String
    }

    // docs:fetch
    /// Fetches `path`. The connection is closed afterwards.
    static func get(_ path: String, through tunnel: String, of gateway: Gateway) async throws -> Response {
        // The same handlers as over TCP: a tunnel's channel is one of SwiftNIO's like any other.
        let connection = try await gateway.channel(to: tunnel) { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHTTPClientHandlers()
                return try NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>(
                    wrappingChannelSynchronously: channel)
            }
        }
        return try await connection.executeThenClose { inbound, outbound in
            let headers: HTTPHeaders = ["host": tunnel, "connection": "close"]
            try await outbound.write(
                .head(HTTPRequestHead(version: .http1_1, method: .GET, uri: path, headers: headers)))
            try await outbound.write(.end(nil))
            return try await response(inbound)
        }
    }
    // docs:end

    private static func response(
        _ inbound: NIOAsyncChannelInboundStream<HTTPClientResponsePart>
    ) async throws -> Response {
        var response = Response(status: .internalServerError, body: "")
        for try await part in inbound {
            switch part {
            case .head(let head): response.status = head.status
            case .body(let bytes): response.body += String(buffer: bytes)
            case .end: return response
            }
        }
        throw TunnelStreamError.finished
    }
}
