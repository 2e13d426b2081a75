import FoundationEssentials
public import NIOCore
import NIOHTTP1

extension ControlClient {
    /// Opens a connection through a tunnel that begins at the gateway, and carries bytes both ways until the target has said
    /// all; what `input` waits for then is left to itself.
    ///
    /// - Parameters:
    ///   - destination: the member to connect to; the best one when nil.
    ///   - input: what to send next; nil at the end, which the target sees as one.
    ///   - output: takes what the target sends.
    /// - Throws: `ControlClientError`; `broken` when the connection was reset, and what `input` and `output` throw.
    public func connect(
        tunnel: String, to destination: String?, input: @escaping @Sendable () async throws -> ByteBuffer?,
        output: (ByteBuffer) async throws -> Void
    ) async throws {
        let connection = try await connect()
        let uri = "/v1/tunnels/\(tunnel)/connect" + (destination.map { "?to=\($0)" } ?? "")
        var head = HTTPRequestHead(version: .http1_1, method: .POST, uri: uri)
        head.headers.add(name: "host", value: "localhost")
        head.headers.add(name: "connection", value: "close")
        head.headers.add(name: "transfer-encoding", value: "chunked")
        let request = head
        try await connection.executeThenClose { inbound, outbound in
            // Not waited for: when the target has said all, its input may be a terminal at which nobody types.
            let sending = Task {
                do {
                    try await outbound.write(.head(request))
                    while let part = try await input() { try await outbound.write(.body(.byteBuffer(part))) }
                    try await outbound.write(.end(nil))
                } catch {
                    // Without the rest the target must not take what it has for all there is.
                    connection.channel.close(promise: nil)
                    throw error
                }
            }
            defer { sending.cancel() }
            try await receive(inbound, output: output)
        }
    }

    func receive(
        _ inbound: NIOAsyncChannelInboundStream<HTTPClientResponsePart>, output: (ByteBuffer) async throws -> Void
    ) async throws {
        var refusal: HTTPResponseStatus?
        var text = ""
        for try await part in inbound {
            switch part {
            case .head(let head): if head.status != .ok { refusal = head.status }
            case .body(let bytes):
                if refusal == nil { try await output(bytes) } else { text += String(buffer: bytes) }
            case .end:
                guard let refusal else { return }
                guard let error = try? JSONDecoder().decode(ControlErrorBody.self, from: Data(text.utf8)) else {
                    throw ControlClientError.malformed(path: path, reason: "HTTP \(refusal.code)")
                }
                throw ControlClientError.refused(error.controlError)
            }
        }
        throw ControlClientError.broken(path: path)
    }
}
