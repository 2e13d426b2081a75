public import DXWire

/// A DTLS 1.2 session with one gateway on one path. Made by `SecureEndpoint`, which also carries its handshake; once
/// `isEstablished`, `seal` and `open` are the hot path.
///
/// Bound to one event loop.
public final class DTLSSession: SecureSession {
    /// The connection id by which this end receives.
    public let receiveID: ConnectionID
    /// The peer, whose key the handshake proves.
    public let peerID: GatewayID
    /// Whether this end started the session.
    public let isInitiator: Bool
    /// Where the handshake's datagrams go. A path may move on later; this does not.
    public let remote: Endpoint

    /// Whether the handshake is complete at this end.
    public var isEstablished: Bool { fatalError() }
    /// Why the handshake failed, or nil.
    public var failure: HandshakeFailure? { fatalError() }
    /// The negotiated cipher suite in OpenSSL's spelling, for logs; nil before the handshake is complete.
    public var cipherName: String? { fatalError() }
    /// Counters of the record layer.
    public var statistics: SessionStatistics { fatalError() }

    public var sealOverhead: Int { fatalError() }
    public var recordCount: UInt64 { fatalError() }

    init(receiveID: ConnectionID, peerID: GatewayID, isInitiator: Bool, remote: Endpoint) {
        self.receiveID = receiveID
        self.peerID = peerID
        self.isInitiator = isInitiator
        self.remote = remote
    }

    @_lifetime(output: copy output)
    public func seal(_ packet: RawSpan, into output: inout OutputRawSpan) throws(SecureError) { fatalError() }

    @_lifetime(datagram: copy datagram)
    @_lifetime(plaintext: copy plaintext)
    public func open(_ datagram: inout MutableRawSpan, into plaintext: inout OutputRawSpan) -> OpenOutcome {
        fatalError()
    }

    public func needsRekey(now: Instant) -> Bool { fatalError() }

    public func close() { fatalError() }
}

@available(*, unavailable)
extension DTLSSession: Sendable {}

/// Counters of one session's record layer. They only rise.
public struct SessionStatistics: Equatable, Sendable {
    /// Records sealed.
    public internal(set) var sealed: UInt64 = 0
    /// Records opened.
    public internal(set) var opened: UInt64 = 0
    /// Datagrams with a record number already seen or too old.
    public internal(set) var replayed: UInt64 = 0
    /// Datagrams that were no record of this session.
    public internal(set) var rejected: UInt64 = 0
}

/// Why a handshake failed.
public enum HandshakeFailure: Equatable, Sendable {
    /// No CHALLENGE came: the peer is not there, has another veil, or does not know this gateway.
    case noAnswer
    /// A CHALLENGE came, but the DTLS handshake was not complete in time.
    case timedOut
    /// The peer's certificate does not hold the expected key.
    case wrongPeerKey
    /// The handshake went against the rules or the two ends have no cipher suite in common; OpenSSL's error code.
    case dtls(code: UInt)
    /// The peer is no longer among the known peers.
    case removed
    /// `close` was called.
    case closed
}
