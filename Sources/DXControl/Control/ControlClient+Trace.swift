import DXTunnel
public import NIOCore
import NIOHTTP1

extension ControlClient {
    /// Has the channel to a peer traced, until the time is over, the channel ends, or the gateway stops (`docs/trace.md`).
    ///
    /// - Parameters:
    ///   - peer: its name, or at least 8 characters of its id, as a part of a path.
    ///   - seconds: for how long.
    ///   - addresses: whether to say which addresses paths lead over.
    ///   - part: takes the qlog text as it comes.
    /// - Throws: `ControlClientError`; `ended` when the gateway ended without the end of the trace, and what `part` throws.
    public func trace(
        of peer: String, seconds: Int, addresses: Bool, part: (ByteBuffer) async throws -> Void
    ) async throws {
        let connection = try await connect()
        var head = HTTPRequestHead(
            version: .http1_1, method: .GET, uri: "/v1/peers/\(peer)/trace?seconds=\(seconds)&addresses=\(addresses)")
        head.headers.add(name: "host", value: "localhost")
        head.headers.add(name: "connection", value: "close")
        let request = head
        var failure: (any Error)?
        do {
            try await connection.executeThenClose { inbound, outbound in
                try await outbound.write(contentsOf: [.head(request), .end(nil)])
                try await receive(inbound) { bytes in
                    do { try await part(bytes) } catch {
                        failure = error
                        throw error
                    }
                }
            }
        } catch {
            if let failure { throw failure }
            switch error {
            case ControlClientError.broken: throw ControlClientError.ended(path: path)
            case is ControlClientError, is CancellationError: throw error
            // The connection ended amid a part, or was reset.
            default: throw ControlClientError.ended(path: path)
            }
        }
    }
}
