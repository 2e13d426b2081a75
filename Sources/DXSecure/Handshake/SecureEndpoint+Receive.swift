import DXWire

/// What is done with a veiled datagram, in the order of `docs/wire-format.md` §3: open it, read the message, then one
/// function per message. Each check that fails is a silent drop with its own counter.
extension SecureEndpoint {
    /// One datagram.
    func receive(
        _ datagram: RawSpan, from remote: Endpoint, at local: Endpoint?, now: Instant
    ) -> VeiledOutcome {
        // The scratch memory is moved out, so that what is called may use the endpoint while the message is read.
        var message: [UInt8] = []
        swap(&message, &scratch)
        defer { swap(&message, &scratch) }
        var count = 0
        let opened = unsafe message.withUnsafeMutableBytes { memory in
            var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
            let opened = veil.open(datagram, into: &output)
            count = unsafe output.finalize(for: memory)
            return opened
        }
        switch opened {
        case .notVeiled: return .dropped(.notVeiled)
        case .repeatedNonce: return .dropped(.repeatedNonce)
        case .opened(let veil, let nonce):
            let message = unsafe message.span.bytes.extracting(first: count)
            let envelope = Envelope(nonce: nonce, veil: veil, remote: remote, local: local, now: now)
            do throws(VeilDrop) {
                switch try VeiledMessage(reading: message) {
                case .hello(let hello): return try receiveHello(hello, envelope)
                case .challenge(let challenge): return try receiveChallenge(challenge, veil: veil)
                case .connect(let connect): return try receiveConnect(connect, message, envelope)
                case .handshake(let handshake): return try receiveHandshake(handshake, message, now: now)
                case .check:
                    let bytes = unsafe message.withUnsafeBytes { unsafe [UInt8]($0) }
                    return .check(VeiledCheck(message: bytes, veil: VeilNumber(rawValue: veil)))
                }
            } catch {
                return .dropped(error)
            }
        }
    }

    /// What is known of a message beside its bytes.
    private struct Envelope {
        var nonce: VeilNonce
        var veil: Int
        var remote: Endpoint
        var local: Endpoint?
        var now: Instant

        /// It came under the join veil.
        var isJoin: Bool { veil == Veil.joinNumber }
    }

    /// §3.1. Keeps no state but the answer that waits to be sent.
    private func receiveHello(_ hello: Hello, _ envelope: Envelope) throws(VeilDrop) -> VeiledOutcome {
        let initiator = try initiator(hello.key, envelope)
        if initiator == silencedPeer { return .taken }
        if let shard = shard(of: initiator, envelope) { return .otherShard(shard) }
        guard answers.count < Self.maximumAnswers else { throw .tooManyAnswers }
        guard helloBudget.take(envelope.remote, now: envelope.now) else { throw .rateLimited }
        let signed = Hello.signedBytes(receiver: identity.gatewayID, nonce: envelope.nonce, attempt: hello.attempt)
        guard unsafe hello.key.isValid(hello.signature, for: signed.span.bytes) else { throw .badSignature }
        let proof = challenges.make(initiator, hello.attempt, at: envelope.remote, now: envelope.now)
        answers.append(
            PendingChallenge(
                remote: envelope.remote, local: envelope.local, receiver: initiator, veil: envelope.veil,
                message: Challenge(attempt: hello.attempt, proof: proof)))
        return .taken
    }

    /// §3.2.
    private func receiveChallenge(_ challenge: Challenge, veil: Int) throws(VeilDrop) -> VeiledOutcome {
        guard let session = initiated[challenge.attempt], session.phase == .handshaking else {
            let owner = challenge.attempt.shard
            if owner != shard && !peersElsewhere.isEmpty { return .otherShard(owner) }
            throw .unknownAttempt
        }
        if session.peerID == silencedPeer { return .taken }
        let isFirst = session.handshake.phase == .hello
        guard session.handshake.receiveChallenge(challenge.proof, veil: veil) else { throw .unknownAttempt }
        if isFirst {
            // The first flight depends on nothing but our own key, so only a broken OpenSSL fails here.
            if case .failed(let failure) = session.step(nil).outcome {
                fail(session, failure)
                return .taken
            }
        }
        enqueue(session)
        return .taken
    }

    /// §3.3. The first valid one of an attempt makes the session; a later one is a HANDSHAKE.
    private func receiveConnect(
        _ connect: Connect, _ message: RawSpan, _ envelope: Envelope
    ) throws(VeilDrop) -> VeiledOutcome {
        let now = envelope.now
        let initiator = try initiator(connect.key, envelope)
        if initiator == silencedPeer { return .taken }
        if let shard = shard(of: initiator, envelope) { return .otherShard(shard) }
        guard challenges.holds(connect.proof, for: initiator, connect.attempt, at: envelope.remote, now: now) else {
            throw .badChallenge
        }
        let datagram = message.extracting(connect.datagram.offset..<message.byteCount)
        let key = AcceptedAttempt(peer: initiator, attempt: connect.attempt)
        if let session = accepted[key] {
            guard session.handshake.peerConnectionID == connect.connectionID else { throw .wrongConnectionID }
            return try feed(datagram, to: session, now: now)
        }
        guard connectBudget.take(envelope.remote, now: now) else { throw .rateLimited }
        let signed = Connect.signedBytes(
            receiver: identity.gatewayID, nonce: envelope.nonce, attempt: connect.attempt, proof: connect.proof,
            connectionID: connect.connectionID)
        guard unsafe connect.key.isValid(connect.signature, for: signed.span.bytes) else { throw .badSignature }
        guard hasRoom(), acceptedInProgress(from: initiator) < Self.maximumAcceptedPerPeer else {
            throw .tooManyHandshakes
        }
        guard !envelope.isJoin || joinsInProgress < Self.maximumJoins else { throw .tooManyHandshakes }
        let handshake = SessionHandshake(
            accepting: connect.attempt, from: connect.connectionID, veil: envelope.veil, configuration: configuration,
            now: now)
        guard
            let session = try? makeSession(
                handshake, isInitiator: false, peer: initiator, remote: envelope.remote, local: envelope.local)
        else { throw .failedSetup }
        accepted[key] = session
        return try feed(datagram, to: session, now: now)
    }

    /// §3.5.
    private func receiveHandshake(
        _ handshake: Handshake, _ message: RawSpan, now: Instant
    ) throws(VeilDrop) -> VeiledOutcome {
        guard let session = sessions[handshake.destination] else {
            if handshake.destination.shard != shard { return .otherShard(handshake.destination.shard) }
            throw .unknownSession
        }
        if session.peerID == silencedPeer { return .taken }
        var source: ConnectionID?
        switch session.handshake.phase {
        // Nothing that could be answered by a HANDSHAKE was sent yet.
        case .hello: throw .unknownSession
        case .connect: source = handshake.source
        case .dtls, .lingering:
            guard session.handshake.peerConnectionID == handshake.source else { throw .wrongConnectionID }
        }
        let datagram = message.extracting(handshake.datagram.offset..<message.byteCount)
        return try feed(datagram, to: session, learning: source, now: now)
    }

    /// One DTLS datagram for a session. After the handshake the content does not count: that the peer sends its last
    /// flight again means that it may lack ours. An initiator learns the peer's connection id from a datagram that
    /// OpenSSL answers, so that junk with an invented id does no harm.
    private func feed(
        _ datagram: RawSpan, to session: DTLSSession, learning source: ConnectionID? = nil, now: Instant
    ) throws(VeilDrop) -> VeiledOutcome {
        switch session.phase {
        case .handshaking: break
        case .established:
            if session.handshake.repeatFlight() { enqueue(session) }
            return .taken
        case .failed, .closed: throw .unknownSession
        }
        let (outcome, isNewFlight) = session.step(datagram)
        if isNewFlight, let source { session.handshake.learn(source) }
        switch outcome {
        case .incomplete: enqueue(session)
        case .complete:
            establish(session, now: now)
            enqueue(session)
        case .failed(let failure):
            fail(session, failure)
            enqueue(session)
        }
        return .taken
    }

    /// Who sent a first contact: a known peer; under the join veil anybody.
    private func initiator(_ key: PublicKey, _ envelope: Envelope) throws(VeilDrop) -> GatewayID {
        guard envelope.isJoin else { return try knownPeer(key, now: envelope.now) }
        if let id = knownKeys[key] { return id }
        guard keyBudget.take(now: envelope.now) else { throw .rateLimited }
        guard let id = key.gatewayID, id != identity.gatewayID else { throw .unknownPeer }
        return id
    }

    /// The event loop that a first contact is for, when that is another one.
    private func shard(of initiator: GatewayID, _ envelope: Envelope) -> UInt8? {
        envelope.isJoin ? nil : peersElsewhere[initiator]
    }

    /// The gateway id of a key, if it is a known peer's.
    private func knownPeer(_ key: PublicKey, now: Instant) throws(VeilDrop) -> GatewayID {
        if let id = knownKeys[key] { return id }
        guard keyBudget.take(now: now) else { throw .rateLimited }
        guard let id = key.gatewayID, id != identity.gatewayID,
            knownPeers.contains(id) || peersElsewhere[id] != nil
        else { throw .unknownPeer }
        // At most one for each known peer: no two keys have one id.
        knownKeys[key] = id
        return id
    }
}
