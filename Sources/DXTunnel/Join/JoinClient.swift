import DXSecure
import DXSocket
import DXWire
import Logging
import NIOCore

/// One attempt to join: a socket, handshakes with the inviter at all its addresses, and in the first session that is there
/// the request, until it is answered. Bound to its event loop.
///
/// Addresses are those of the token and, as they are found, others (`found`), where the inviter is behind a NAT: whichever
/// answers first carries the request.
@safe
final class JoinClient {
    let token: InviteToken
    let identity: Identity
    private let name: String?
    let gate: LoopGate
    let logger: Logger
    let secure: SecureEndpoint
    let inviter: GatewayID
    private(set) var socket: UDPEndpoint<JoinClient>?
    /// Sockets of predictions.
    let outlets = FurtherSockets<JoinClient>()
    /// Finds the inviter where it is behind a NAT; nil when the token names no matchmaker.
    private(set) var match: MatchAgent?
    private var latest: Instant = .zero
    private var timer: WakeupTimer<JoinClient>?
    private var addresses: [Endpoint] = []
    private var attempts: [DTLSSession] = []
    private var session: DTLSSession?
    private var nextRequest: Instant = .distantFuture
    private var pause = JoinClient.firstPause
    private var requests = 0
    private var nextCall: Instant = .distantFuture
    /// When the search for the inviter wants to be looked at.
    private var deadline: Instant = .distantFuture
    private var isTurnScheduled = false
    private var lastFailure = "no answer"
    private var result: EventLoopPromise<JoinGrant>?
    /// What is being received or sent.
    private let memory: UnsafeMutableRawBufferPointer

    private static let firstPause = Interval.milliseconds(200)
    private static let longestPause = Interval.milliseconds(3_200)
    private static let mostRequests = 5
    private static let callPause = Interval.seconds(1)

    /// An attempt with a token. Throws what OpenSSL fails with, and for a token whose key is no key.
    init(
        _ token: InviteToken, _ identity: Identity, name: String?, at gate: LoopGate,
        logger: Logger = Logger(label: "dx.join") { _ in SwiftLogNoOpLogHandler() }
    ) throws {
        guard let veil = VeilSecret(joinSeed: token.joinSeed), let inviter = token.inviter.gatewayID,
            inviter != identity.gatewayID
        else { throw StateProblem("the token", "is this gateway's own or damaged", "use it on another gateway") }
        self.token = token
        self.identity = identity
        self.name = name
        self.gate = gate
        self.logger = logger
        self.inviter = inviter
        secure = try SecureEndpoint(
            identity: identity, veil: [veil], knownPeers: [inviter], shard: 0, seed: SecureRandom.next())
        unsafe memory = .allocate(byteCount: Constants.maximumDatagram + 1_024, alignment: 16)
    }

    deinit { unsafe memory.deallocate() }

    /// Asks at these addresses until there is an answer or patience ends.
    func run(
        at addresses: [Endpoint], patience: TimeAmount
    ) -> EventLoopFuture<JoinGrant> {
        let promise = eventLoop.makePromise(of: JoinGrant.self)
        guard !addresses.isEmpty || !token.matchmakers.isEmpty else {
            promise.fail(GroupError(.failed, "none of the inviter's names can be resolved", "check the network"))
            return promise.futureResult
        }
        self.addresses = addresses
        do {
            socket = try UDPEndpoint(listen: ListenAddress(anyAt: 0), on: eventLoop, handler: self)
        } catch {
            promise.fail(GroupError(.failed, "no UDP socket can be had (\(error))", "check the system's limits"))
            return promise.futureResult
        }
        result = promise
        let timer = WakeupTimer(on: eventLoop, handler: self)
        self.timer = timer
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        let end = eventLoop.scheduleTask(in: patience) { bound.value.giveUp() }
        call(now: currentTime())
        rendezvous(now: currentTime())
        turn(now: currentTime())
        return promise.futureResult.always { _ in end.cancel() }.close(bound)
    }

    /// Registers where the inviter is registered while invitations are open, and has a way to it looked for.
    private func rendezvous(now: Instant) {
        guard !token.matchmakers.isEmpty else { return }
        let match = MatchAgent(self, identity: identity)
        self.match = match
        match.follow(MatchPlan(servers: token.matchmakers, rendezvous: TokenSecret(token.joinSeed)), now: now)
        match.introduce(inviter)
    }

    /// The inviter is there, too: it is asked there at once. Does nothing once there is a session.
    func found(_ address: Endpoint, from base: Endpoint?, now: Instant) {
        guard result != nil, session == nil else { return }
        connect(to: address, from: base, now: now)
        scheduleTurn()
    }

    /// Lets the socket go.
    fileprivate func close() -> EventLoopFuture<Void> {
        timer?.cancel()
        session?.close()
        for attempt in attempts { attempt.close() }
        match?.stop()
        match = nil
        outlets.closeAll()
        guard let socket else { return eventLoop.makeSucceededVoidFuture() }
        self.socket = nil
        return socket.close()
    }

    private func giveUp() {
        let places = token.addresses.map(\.description) + token.matchmakers.map { "by \($0.address)" }
        let reason = match?.failure(of: inviter) ?? match?.problem ?? lastFailure
        finish(
            .failure(
                GroupError(
                    .failed, "the inviter does not answer at \(places.joined(separator: ", ")) (\(reason))",
                    "check that it runs, that UDP gets there, and that the token is neither revoked nor expired")))
    }

    private func finish(_ outcome: Result<JoinGrant, any Error>) {
        guard let result else { return }
        self.result = nil
        result.completeWith(outcome)
    }

    // MARK: Asking

    private func call(now: Instant) {
        nextCall = .distantFuture
        for address in addresses.prefix(NameResolver.maximumCount) { connect(to: address, now: now) }
        if attempts.isEmpty { nextCall = now + Self.callPause }
    }

    private func connect(to address: Endpoint, from base: Endpoint? = nil, now: Instant) {
        do throws(SecureError) {
            attempts.append(try secure.connect(to: inviter, at: address, from: base, now: now))
        } catch {
            lastFailure = "\(address): \(error)"
        }
    }

    private func request(now: Instant) {
        guard let session, requests < Self.mostRequests, let proof = session.proof(of: token.secret) else {
            // The inviter may have restarted meanwhile: it knows no old session then.
            self.session?.close()
            self.session = nil
            (requests, pause) = (0, Self.firstPause)
            nextRequest = .distantFuture
            return call(now: now)
        }
        requests += 1
        let request = JoinRequest(key: identity.publicKey, token: token.secret.id, proof: proof, name: name)
        nextRequest = now + pause
        pause = min(pause * 2, Self.longestPause)
        let bytes = request.encoded
        _ = try? sender(for: session.local)?.append(
            to: session.remote, from: session.local, ecn: .notECT, maximumByteCount: bytes.count + session.sealOverhead
        ) { output throws(SecureError) in try unsafe session.seal(bytes.span.bytes, into: &output) }
    }

    /// The time now, never earlier than any time given before.
    func currentTime() -> Instant { tick(MonotonicClock.now()) }

    private func tick(_ now: Instant) -> Instant {
        latest = max(latest, now)
        return latest
    }

    func noteDeadline(_ deadline: Instant) {
        guard deadline < self.deadline else { return }
        self.deadline = deadline
        timer?.arm(at: min(secure.nextTimeout ?? .distantFuture, nextRequest, nextCall, deadline))
    }

    /// Wants a turn as soon as the event loop is free: somebody in the middle of something has something to send.
    func scheduleTurn() {
        guard !isTurnScheduled else { return }
        isTurnScheduled = true
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute {
            bound.value.isTurnScheduled = false
            bound.value.turn(now: bound.value.currentTime())
        }
    }

    /// Sends what there is and waits for what comes.
    private func turn(now: Instant) {
        guard let socket, result != nil else { return }
        while let event = secure.pollEvent() { handle(event, now: now) }
        if nextCall <= now { call(now: now) }
        if nextRequest <= now { request(now: now) }
        while true {
            var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
            guard let route = secure.pollTransmit(into: &output, now: now) else { break }
            let count = output.byteCount
            send(
                unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: memory[0..<count])), to: route.remote,
                from: route.local)
        }
        socket.sender.flush()
        outlets.flush()
        timer?.arm(at: min(secure.nextTimeout ?? .distantFuture, nextRequest, nextCall, deadline))
    }

    private func handle(_ event: SecureEvent, now: Instant) {
        switch event {
        case .established(let established):
            attempts.removeAll { $0 === established }
            guard session == nil else { return established.close() }
            session = established
            nextRequest = now
        case .failed(let failed, let failure):
            attempts.removeAll { $0 === failed }
            lastFailure = "\(failed.remote): \(failure)"
            if attempts.isEmpty, session == nil { nextCall = now + Self.callPause }
        }
    }

    private func receive(_ answer: JoinAnswer) {
        switch answer {
        case .accepted(let grant): finish(.success(grant))
        case .refused(let refusal): finish(.failure(Self.error(refusal)))
        }
    }

    private static func error(_ refusal: JoinAnswer.Refusal) -> GroupError {
        switch refusal {
        case .unknown:
            GroupError(
                .notFound, "the inviter does not know this token", "it was revoked or has expired: ask for another")
        case .used:
            GroupError(.conflict, "another gateway has used this token", "ask for another; each lets one gateway in")
        case .otherKey:
            GroupError(.conflict, "the token is meant for another gateway", "ask for one that names this one")
        case .inviter: GroupError(.conflict, "the inviter is not an admin any more", "ask one for a token")
        case .removedKey:
            GroupError(
                .conflict, "this gateway was removed from the group", "remove its identity.key, and join as a new one")
        default: GroupError(.failed, "the inviter refused (\(refusal.rawValue))", "update this gateway")
        }
    }
}

@available(*, unavailable)
extension JoinClient: Sendable {}

extension EventLoopFuture where Value == JoinGrant {
    /// The same once the client's socket is closed.
    fileprivate func close(_ client: NIOLoopBound<JoinClient>) -> EventLoopFuture<JoinGrant> {
        flatMap { grant in client.value.close().map { grant } }
            .flatMapError { error in
                client.value.close().flatMap { client.value.failed(error) }
            }
    }
}

extension JoinClient {
    fileprivate func failed(_ error: any Error) -> EventLoopFuture<JoinGrant> { eventLoop.makeFailedFuture(error) }
}

extension JoinClient: DatagramHandler {
    func received(
        _ datagram: inout MutableRawSpan, from source: Endpoint, local: Endpoint?, ecn: ECNMark, now: Instant
    ) {
        guard let session, datagram.byteCount > ConnectionID.byteCount, isOf(session, datagram) else {
            return receiveVeiled(datagram.bytes, from: source, at: local, now: tick(now))
        }
        var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
        guard session.open(&datagram, into: &output) == .opened else { return }
        let count = output.byteCount
        let bytes = unsafe [UInt8](UnsafeRawBufferPointer(rebasing: memory[0..<count]))
        if let answer = try? JoinAnswer(bytes) { receive(answer) }
    }

    private func isOf(_ session: DTLSSession, _ datagram: borrowing MutableRawSpan) -> Bool {
        var reader = ByteReader(datagram.bytes)
        guard let value = try? reader.readUInt64() else { return false }
        return session.acceptedIDs.contains(ConnectionID(rawValue: value))
    }

    func batchEnded(now: Instant) { turn(now: tick(now)) }

    func becameWritable(now: Instant) { turn(now: tick(now)) }
}

extension JoinClient: WakeupHandler {
    func wakeupFired(now: Instant) {
        let now = tick(now)
        deadline = .distantFuture
        match?.wakeupFired(now: now)
        if let next = secure.nextTimeout, next <= now { secure.timeoutFired(now: now) }
        turn(now: now)
    }
}
