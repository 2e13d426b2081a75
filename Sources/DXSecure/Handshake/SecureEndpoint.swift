public import DXWire

/// What became of a veiled datagram.
public enum VeiledOutcome: Equatable, Sendable {
    /// It was taken: poll for datagrams to send and for events.
    case taken
    /// It was dropped without an answer, and counted.
    case dropped(VeilDrop)
    /// It belongs to a session of this other event loop: hand the datagram to that loop's endpoint.
    case otherShard(UInt8)
}

/// What the owner of a `SecureEndpoint` must hear about.
public enum SecureEvent {
    /// The session is ready for `seal` and `open`. Session datagrams with its `receiveID` go to it from now on.
    case established(DTLSSession)
    /// The handshake failed; nothing is kept of it.
    case failed(DTLSSession, HandshakeFailure)
}

/// Everything before a session exists: veiled messages (`docs/wire-format.md` §3), the challenge, the DTLS handshakes
/// of both roles. One per gateway and event loop. Sans-I/O: datagrams and the time come in as arguments.
///
/// After each call of `connect`, `receiveVeiled`, `timeoutFired` or a change of `knownPeers`, poll in this order until
/// dry: `pollTransmit`, `pollEvent`; then arm a timer for `nextTimeout`. `now` must not go backwards.
public final class SecureEndpoint {
    /// This gateway.
    public let identity: Identity
    /// The gateways that may connect or be connected to. A handshake with one that is taken out fails at once;
    /// established sessions are the owner's to close.
    public var knownPeers: Set<GatewayID>
    /// Counters since the start.
    public private(set) var statistics = SecureStatistics()

    /// An endpoint for one event loop.
    ///
    /// - Parameters:
    ///   - veil: one or two secrets. The first is used for first contacts; messages under either are understood.
    ///   - shard: the event loop's number, the first byte of the connection ids given out.
    ///   - seed: for jitter only; keys and ids come from OpenSSL.
    /// - Throws: `veilCount`; `cryptography` when OpenSSL lacks what is needed.
    public init(
        identity: Identity, veil: [VeilSecret], knownPeers: Set<GatewayID>,
        configuration: SecureConfiguration = SecureConfiguration(), shard: UInt8, seed: UInt64
    ) throws(SecureError) {
        fatalError()
    }

    /// The earliest time at which `timeoutFired` must be called, or nil.
    public var nextTimeout: Instant? { fatalError() }
    /// The number of handshakes in progress.
    public var handshakesInProgress: Int { fatalError() }

    /// Takes one datagram that is not session data of a live session.
    public func receiveVeiled(_ datagram: RawSpan, from remote: Endpoint, now: Instant) -> VeiledOutcome {
        fatalError()
    }

    /// Does what is due at `now`; harmless when called early.
    public func timeoutFired(now: Instant) { fatalError() }

    /// Begins a session with `peer` at `remote`. Its end is an event.
    public func connect(to peer: GatewayID, at remote: Endpoint, now: Instant) throws(SecureError) -> DTLSSession {
        fatalError()
    }

    /// Writes the next datagram to send, at most `Constants.minimumDatagram` bytes, and gives its destination; nil when
    /// there is none. `output` must have room for that many (a programming error: traps).
    @_lifetime(output: copy output)
    public func pollTransmit(into output: inout OutputRawSpan, now: Instant) -> Endpoint? { fatalError() }

    /// The next event, or nil.
    public func pollEvent() -> SecureEvent? { fatalError() }
}

@available(*, unavailable)
extension SecureEndpoint: Sendable {}
