import CDXOpenSSL

/// Why a handshake failed.
public enum HandshakeFailure: Equatable, Sendable {
    /// No CHALLENGE came: the peer is not there, has another veil, or does not know this gateway.
    case noAnswer
    /// A CHALLENGE came, but the DTLS handshake was not complete in time.
    case timedOut
    /// The peer's certificate does not hold the expected key.
    case wrongPeerKey
    /// The peer does not support the extended master secret (RFC 7627), without which a session is not bound to its
    /// handshake.
    case weakHandshake
    /// The handshake went against the rules, the peer refused it, or the two ends have no cipher suite in common.
    /// OpenSSL's error code.
    case dtls(code: UInt)
    /// The peer was taken out of the known peers.
    case removed
}

extension HandshakeFailure: CustomStringConvertible {
    /// One sentence, for logs: what happened and where to look.
    public var description: String {
        switch self {
        case .noAnswer:
            "no answer: the peer is not reachable at this address, has another group key, or does not list this gateway"
        case .timedOut: "the peer answered, but the handshake was not complete in time"
        case .wrongPeerKey: "the peer showed another key than its gateway id says"
        case .weakHandshake: "the peer's DTLS does not support the extended master secret"
        case .dtls(let code): "DTLS handshake failed: \(Self.text(code))"
        case .removed: "the peer was removed from the configuration"
        }
    }

    private static func text(_ code: UInt) -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        unsafe ERR_error_string_n(code, &buffer, buffer.count)
        return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
