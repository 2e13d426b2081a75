import CDXOpenSSL

/// Why a command to a session or to the secure endpoint was refused: misuse, a limit, or a failure of OpenSSL. Nothing
/// that came off the network makes one of these.
public enum SecureError: Error, Equatable, Sendable {
    /// The handshake is not complete.
    case notEstablished
    /// The session was closed, or its handshake failed.
    case closed
    /// A packet is empty or larger than 16,384 bytes, or the output has no room for it.
    case packetSize
    /// The session has sealed 16 times the records after which it wanted to be replaced (2^32 by default); a new session should long have replaced it.
    case recordsExhausted
    /// The gateway id is not among the known peers.
    case unknownPeer
    /// The peer is this gateway itself.
    case selfConnection
    /// The address is not one to send to: unspecified, multicast, broadcast or port 0.
    case unusableAddress
    /// As many handshakes are in progress as the configuration allows. Try again when one has ended.
    case tooManyHandshakes
    /// One or two veil secrets are needed.
    case veilCount
    /// OpenSSL failed where it should not: out of memory, or a build without the needed algorithms. The number is its
    /// error code (`openssl errstr`), in hexadecimal.
    case cryptography(code: UInt)
}

extension SecureError {
    /// The error of the OpenSSL call that just failed; clears OpenSSL's queue.
    @inline(never)
    static func lastOpenSSL() -> SecureError {
        let code = ERR_peek_error()
        ERR_clear_error()
        return .cryptography(code: code)
    }
}

extension SecureError: CustomStringConvertible {
    /// One sentence, for logs.
    public var description: String {
        switch self {
        case .notEstablished: "the session's handshake is not complete"
        case .closed: "the session is closed"
        case .packetSize: "the packet is empty or too large for one record"
        case .recordsExhausted: "the session has used up its record numbers"
        case .unknownPeer: "the gateway id is not among the known peers"
        case .selfConnection: "the peer's gateway id is this gateway's own"
        case .unusableAddress: "the address cannot be sent to"
        case .tooManyHandshakes: "too many handshakes are in progress"
        case .veilCount: "one or two veil secrets are needed"
        case .cryptography(let code): "OpenSSL failed with error \(String(code, radix: 16))"
        }
    }
}
