import DXTunnel
public import NIOCore

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
        try await stream("/v1/peers/\(peer)/trace?seconds=\(seconds)&addresses=\(addresses)", part: part)
    }
}
