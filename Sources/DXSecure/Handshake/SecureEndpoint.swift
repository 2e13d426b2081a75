public import DXWire

/// Everything before a session exists: veiled messages (`docs/wire-format.md` §3), the challenge, the DTLS handshakes
/// of both roles. One per gateway and event loop. Sans-I/O: datagrams and the time come in as arguments.
///
/// After each call of `connect`, `receiveVeiled`, `timeoutFired` or a change of `knownPeers`, poll in this order until
/// dry: `pollTransmit`, `pollEvent`; then arm a timer for `nextTimeout`. `now` must not go backwards.
///
/// Nothing is kept for a stranger. A session is kept from `connect` or a valid CONNECT until its handshake failed, or
/// for one handshake timeout after it was complete, to repeat its last flight. After any drop or failure the endpoint
/// works on.
public final class SecureEndpoint {
    /// This gateway.
    public let identity: Identity
    /// The gateways that may connect or be connected to. A handshake with one that is taken out fails at once;
    /// established sessions are the owner's to close.
    public var knownPeers: Set<GatewayID> {
        didSet { failRemoved() }
    }
    /// Known peers that belong to other event loops of this gateway, and which loop that is: their messages come back as
    /// `VeiledOutcome.otherShard`. Empty where there is one loop.
    public var peersElsewhere: [GatewayID: UInt8] = [:]
    /// A peer of which every message is lost on its way in, and to which every message is on its way out, without a trace: what is
    /// tried with it meets silence. nil for none. For rehearsals of its failure.
    public var silencedPeer: GatewayID?
    /// Counters since the start.
    public internal(set) var statistics = SecureStatistics()
    /// The number of handshakes in progress.
    public internal(set) var handshakesInProgress = 0

    let configuration: SecureConfiguration
    let shard: UInt8
    let context: DTLSContext
    let challenges = ChallengeMaker()
    var veil: Veil
    /// For signatures from addresses that are not proven.
    var helloBudget: SignatureBudget
    /// For signatures from addresses that sent a challenge back.
    var connectBudget: SignatureBudget
    /// For keys that were never seen: what one costs, a square root and a hash, is a third of a signature.
    var keyBudget: TokenBucket
    /// The ids of keys that were seen and are known peers', so that a peer's messages do not cost that again.
    var knownKeys: [PublicKey: GatewayID] = [:]
    var random: RandomSource
    /// Where an opened message lies while it is read, and where one is built before it is sealed.
    var scratch = [UInt8](repeating: 0, count: SecureConstants.maximumVeiled)

    /// Sessions in a handshake, and those that linger after it.
    var sessions: [ConnectionID: DTLSSession] = [:]
    /// The same, by what a CHALLENGE names.
    var initiated: [Attempt: DTLSSession] = [:]
    /// The same, by what a repeated CONNECT names.
    var accepted: [AcceptedAttempt: DTLSSession] = [:]

    /// Challenges to send, oldest first.
    var answers: [PendingChallenge] = []
    /// Sessions with something to send, oldest first.
    var sendQueue: [DTLSSession] = []
    private var events: [SecureEvent] = []
    private var knownTimeout: Instant??

    /// An attempt is the initiator's choice, so it names a session only together with the initiator.
    struct AcceptedAttempt: Hashable {
        var peer: GatewayID
        var attempt: Attempt
    }

    /// A challenge that waits to be sent.
    struct PendingChallenge {
        var remote: Endpoint
        var local: Endpoint?
        var receiver: GatewayID
        var veil: Int
        var message: Challenge
    }

    /// Challenges kept at once: what one batch of datagrams can ask for. Beyond, HELLO is dropped and comes again.
    static let maximumAnswers = 256

    /// Handshakes of gateways that join, in progress at a time: a token lets anybody begin one.
    static let maximumJoins = 16

    /// Unseen keys that are looked at per second: about 10 % of a core, when somebody with the group key sends as many.
    static let newKeysPerSecond = 2_500

    /// Handshakes that one peer may have in progress here: more than paths and a new session for each ever need, and
    /// few enough that a member who goes against the rules does not take all the room.
    static let maximumAcceptedPerPeer = 8

    /// An endpoint for one event loop.
    ///
    /// - Parameters:
    ///   - veil: one or two secrets. HELLO is sent under each in turn; messages under either are understood, and
    ///     answered under the same.
    ///   - shard: the event loop's number, the first byte of the connection ids given out.
    ///   - seed: for jitter only; keys and ids come from OpenSSL.
    /// - Throws: `veilCount`; `cryptography` when OpenSSL lacks what is needed.
    public init(
        identity: Identity, veil: [VeilSecret], knownPeers: Set<GatewayID>,
        configuration: SecureConfiguration = SecureConfiguration(), shard: UInt8, seed: UInt64
    ) throws(SecureError) {
        self.identity = identity
        self.knownPeers = knownPeers
        self.configuration = configuration
        self.shard = shard
        self.veil = try Veil(veil, receiver: identity.gatewayID)
        context = try DTLSContext(identity, prefersChaCha: configuration.prefersChaCha)
        helloBudget = SignatureBudget(
            perSecond: configuration.signatureChecksPerSecond, burst: configuration.signatureCheckBurst,
            total: configuration.totalSignatureChecksPerSecond)
        connectBudget = helloBudget
        keyBudget = TokenBucket(perSecond: Self.newKeysPerSecond, burst: Self.newKeysPerSecond)
        random = RandomSource(seed: seed)
    }

    // MARK: Secrets

    /// Puts these in place of the veil secrets, the one to send under first. Handshakes under one that stays go on; those
    /// under one that goes fail in time.
    ///
    /// - Throws: `veilCount` unless there are one or two; `cryptography`.
    public func setVeil(_ secrets: [VeilSecret]) throws(SecureError) { try veil.replace(secrets) }

    /// The same for a group that numbers its secrets. Messages under those in `older` are understood too, and answered under the
    /// same: of members that slept while the secret changed. `group` is what all members and nobody else know.
    ///
    /// - Throws: `veilCount` unless there are one or two current ones; `cryptography`.
    public func setVeil(_ current: [VeilEpoch], older: [VeilEpoch], group: Bytes32) throws(SecureError) {
        try veil.replace(current, older: older, group: group)
    }

    /// Takes handshakes of gateways that are not known, when they come under this secret; nil takes none. Their sessions
    /// say `isJoin`, and can be of no other use: their owner must see to that.
    ///
    /// - Throws: `cryptography`.
    public func setJoinVeil(_ secret: VeilSecret?) throws(SecureError) { try veil.setJoin(secret) }

    /// The secret of a group's epoch, for checks and calls to a member that has no newer one; nil when it is not held.
    public func veil(ofEpoch number: UInt64) -> VeilNumber? {
        veil.number(ofEpoch: number).map(VeilNumber.init(rawValue:))
    }

    // MARK: State

    /// The earliest time at which `timeoutFired` must be called, or nil.
    public var nextTimeout: Instant? {
        if let knownTimeout { return knownTimeout }
        var earliest: Instant?
        for session in sessions.values {
            let next = session.handshake.nextTimeout
            earliest = earliest.map { min($0, next) } ?? next
        }
        knownTimeout = .some(earliest)
        return earliest
    }

    // MARK: Inputs

    /// Takes one datagram that is not session data of a live session. Never traps, whatever the bytes.
    ///
    /// - Parameter local: the address and port of ours that it came to; what it is answered with leaves from there.
    public func receiveVeiled(
        _ datagram: RawSpan, from remote: Endpoint, at local: Endpoint? = nil, now: Instant
    ) -> VeiledOutcome {
        let outcome = receive(datagram, from: remote, at: local, now: now)
        if case .dropped(let drop) = outcome { statistics.count(drop) } else { forgetTimeout() }
        return outcome
    }

    /// Does what is due at `now`; harmless when called early.
    public func timeoutFired(now: Instant) {
        forgetTimeout()
        for session in Array(sessions.values) {
            // The owner may have closed it.
            guard session.phase == .handshaking || session.phase == .established else {
                forget(session)
                continue
            }
            switch session.handshake.timeoutFired(now: now) {
            case .none: break
            case .transmit: enqueue(session)
            case .expired:
                if session.phase == .established { forget(session) } else { expire(session) }
            }
        }
    }

    // MARK: Commands

    /// Begins a session with `peer` at `remote`, which may stand for a way through another member. Its end is an event.
    ///
    /// - Parameters:
    ///   - local: the address and port of ours that its datagrams leave from; nil leaves it to the routing table.
    ///   - number: of the secret that the peer is known to have, which is tried before the group's newest; nil when nothing is known.
    /// - Throws: `unknownPeer`, `selfConnection`, `unusableAddress`; `tooManyHandshakes`; `cryptography`.
    public func connect(
        to peer: GatewayID, at remote: Endpoint, from local: Endpoint? = nil, under number: VeilNumber? = nil,
        now: Instant
    ) throws(SecureError) -> DTLSSession {
        guard peer != identity.gatewayID else { throw .selfConnection }
        guard knownPeers.contains(peer) else { throw .unknownPeer }
        guard remote.isSendable || remote.isForwarded else { throw .unusableAddress }
        guard hasRoom() else { throw .tooManyHandshakes }
        let first = number.map { [$0.rawValue] } ?? []
        let handshake = SessionHandshake(
            attempt: .random(shard: shard), veils: first + veil.sending.filter { !first.contains($0) },
            configuration: configuration, now: now)
        let session = try makeSession(handshake, isInitiator: true, peer: peer, remote: remote, local: local)
        initiated[handshake.attempt] = session
        enqueue(session)
        return session
    }

    // MARK: Outputs

    /// Where a datagram goes, and from which address and port of ours; nil leaves that to the routing table.
    public struct Route: Hashable, Sendable, BitwiseCopyable {
        /// Where it goes.
        public let remote: Endpoint
        /// Where it leaves from.
        public let local: Endpoint?
    }

    /// Writes the next datagram to send, at most `Constants.minimumDatagram` bytes, and says where it goes; nil when
    /// there is none. `output` must have room for that many (a programming error: traps).
    @_lifetime(output: copy output)
    public func pollTransmit(into output: inout OutputRawSpan, now: Instant) -> Route? {
        precondition(output.freeCapacity >= Constants.minimumDatagram, "there is room for any veiled datagram")
        return transmit(into: &output, now: now)
    }

    /// The next event, or nil.
    public func pollEvent() -> SecureEvent? { events.isEmpty ? nil : events.removeFirst() }

    // MARK: Sessions

    /// A new session, in the tables.
    func makeSession(
        _ handshake: SessionHandshake, isInitiator: Bool, peer: GatewayID, remote: Endpoint, local: Endpoint?
    ) throws(SecureError) -> DTLSSession {
        let connection = try DTLSConnection(context, isInitiator: isInitiator, peer: peer)
        var id = ConnectionID(shard: shard, random: SecureRandom.next())
        while sessions[id] != nil { id = ConnectionID(shard: shard, random: SecureRandom.next()) }
        let session = DTLSSession(
            connection, handshake: handshake, receiveID: id, peerID: peer, isInitiator: isInitiator, remote: remote,
            local: local, configuration: configuration)
        sessions[id] = session
        handshakesInProgress += 1
        statistics.handshakesStarted &+= 1
        forgetTimeout()
        return session
    }

    /// Whether one more handshake may begin. Looks for sessions that their owner closed before it says no.
    func hasRoom() -> Bool {
        if handshakesInProgress < configuration.maximumHandshakes { return true }
        for session in Array(sessions.values) where session.phase == .closed { forget(session) }
        return handshakesInProgress < configuration.maximumHandshakes
    }

    /// The handshakes that this peer began here and that are in progress.
    func acceptedInProgress(from peer: GatewayID) -> Int {
        var count = 0
        for (key, session) in accepted where key.peer == peer && session.phase == .handshaking { count += 1 }
        return count
    }

    /// The handshakes of gateways that join, in progress.
    var joinsInProgress: Int { sessions.values.count { $0.isJoin && $0.phase == .handshaking } }

    /// The handshake is complete.
    func establish(_ session: DTLSSession, now: Instant) {
        session.establish(now: now)
        // The responder's last flight may be lost; the initiator has seen everything.
        session.handshake.complete(keepsFlight: !session.isInitiator, until: now + configuration.handshakeTimeout)
        handshakesInProgress -= 1
        statistics.handshakesEstablished &+= 1
        events.append(.established(session))
    }

    /// The handshake is over, and only an alert in its flight may still go out.
    func fail(_ session: DTLSSession, _ failure: HandshakeFailure) {
        session.fail(failure)
        forget(session)
        statistics.handshakesFailed &+= 1
        events.append(.failed(session, failure))
    }

    /// Puts the session among those that have something to send.
    func enqueue(_ session: DTLSSession) {
        guard !session.handshake.isQueued else { return }
        session.handshake.isQueued = true
        sendQueue.append(session)
    }

    /// `nextTimeout` must be computed again.
    func forgetTimeout() { knownTimeout = nil }

    private func expire(_ session: DTLSSession) {
        let failure: HandshakeFailure = session.handshake.phase == .hello ? .noAnswer : .timedOut
        session.handshake.clear()
        fail(session, failure)
    }

    private func failRemoved() {
        knownKeys = knownKeys.filter { knownPeers.contains($0.value) || peersElsewhere[$0.value] != nil }
        for session in Array(sessions.values)
        where session.phase == .handshaking && !session.isJoin && !knownPeers.contains(session.peerID) {
            session.handshake.clear()
            fail(session, .removed)
        }
    }

    private func forget(_ session: DTLSSession) {
        guard sessions.removeValue(forKey: session.receiveID) != nil else { return }
        let attempt = session.handshake.attempt
        if session.isInitiator {
            initiated[attempt] = nil
        } else {
            accepted[AcceptedAttempt(peer: session.peerID, attempt: attempt)] = nil
        }
        if session.handshake.phase != .lingering { handshakesInProgress -= 1 } else { session.handshake.clear() }
        forgetTimeout()
    }
}

@available(*, unavailable)
extension SecureEndpoint: Sendable {}
