/// Why a veiled datagram was dropped without an answer. Each has a counter in `SecureStatistics`.
public enum VeilDrop: UInt8, Error, CaseIterable, Equatable, Sendable {
    /// It does not open under any of this gateway's veils: noise, a scanner, a wrong group key, or damage.
    case notVeiled
    /// Its nonce was seen before: a duplicate or a replay.
    case repeatedNonce
    /// It opened, but what it holds cannot be read.
    case malformed
    /// A message type that this version does not know.
    case unknownType
    /// A message version that this version does not know.
    case unknownVersion
    /// A HELLO or CONNECT whose key is not that of a known peer, or is this gateway's own.
    case unknownPeer
    /// Too many signatures to check from that address prefix or from all together, or too many unknown keys.
    case rateLimited
    /// A HELLO or CONNECT whose signature does not hold.
    case badSignature
    /// A CONNECT whose challenge was not given to this address, gateway and attempt, or has run out.
    case badChallenge
    /// A CONNECT while as many handshakes are in progress as are allowed.
    case tooManyHandshakes
    /// More challenges wait to be sent than are kept.
    case tooManyAnswers
    /// A CHALLENGE for an attempt that is not one of ours, or no longer waits for one.
    case unknownAttempt
    /// A HANDSHAKE, or a repeated CONNECT, for a session that does not exist or whose handshake is long over.
    case unknownSession
    /// A HANDSHAKE or repeated CONNECT whose connection ids are not those of its session.
    case wrongConnectionID
    /// OpenSSL failed to set up a session.
    case failedSetup
}

/// Counters of a `SecureEndpoint` since it was made. They only rise.
public struct SecureStatistics: Equatable, Sendable {
    private var drops = [UInt64](repeating: 0, count: VeilDrop.allCases.count)
    /// HELLO messages sent, retransmissions included.
    public internal(set) var hellosSent: UInt64 = 0
    /// CHALLENGE messages sent.
    public internal(set) var challengesSent: UInt64 = 0
    /// Handshakes begun, by `connect` or by a CONNECT.
    public internal(set) var handshakesStarted: UInt64 = 0
    /// Handshakes that ended in an established session.
    public internal(set) var handshakesEstablished: UInt64 = 0
    /// Handshakes that failed, for any `HandshakeFailure`.
    public internal(set) var handshakesFailed: UInt64 = 0

    /// All zero.
    public init() {}

    /// Veiled datagrams dropped for this reason.
    public subscript(drop: VeilDrop) -> UInt64 { drops[Int(drop.rawValue)] }

    /// Veiled datagrams dropped, for all reasons together.
    public var dropped: UInt64 { drops.reduce(0, &+) }

    mutating func count(_ drop: VeilDrop) { drops[Int(drop.rawValue)] &+= 1 }
}
