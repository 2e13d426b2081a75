public import DXMatch
public import DXSecure
public import DXWire

/// What a matchmaker says to the wire and hears from it (`docs/matchmaking.md` §2, §3, §5): the veil, cookies, handshakes, tickets,
/// the seals of requests, REFRESH and notices, and STUN. What requests mean is the machine's behind it (`MatchServer`).
///
/// Has no socket and no clock: datagrams with their source go in, at most one datagram comes out for each, and notices are polled. A
/// datagram is never answered by a longer one, but for STUN (§5). Nothing is kept of an address before it sent a cookie back.
/// Whatever comes in, it works on: what cannot be answered is dropped and counted.
///
/// After any input poll `pollNotice` and `pollEvent` until dry, then arm a timer for `nextTimeout`. `now` is counted from 1970 where
/// tickets are to outlive a restart, and must not go backwards.
public struct MatchFront: ~Copyable {
    let veil: MatchVeil
    let context: MatchDTLS.Context
    let cookies: CookieMaker
    let alternatePort: UInt16
    let cryptography = OpenSSLMatchCryptography()
    /// What tickets are sealed with.
    var tickets: TicketKeys
    var handshakes = HandshakeTable()
    /// Handshakes begun, of an address prefix: one costs 0.5 ms of CPU.
    var handshakeBudget: PrefixLimiter
    /// Answers Binding requests under the veil, and those of strangers where that is wanted.
    var stun: STUNServer
    let answersStrangers: Bool
    var server: MatchServer<OpenSSLMatchCryptography>
    var counts = MatchFrontStatistics()
    private var servedGroups: ServedGroups

    /// Handshakes of an address prefix that begin in a second, and half as many as at once: so many gateways behind one NAT that have
    /// lost their tickets together have new ones within seconds, and one address cannot use up a processor.
    private static let handshakesPerSecond = 50

    /// A front. Throws `cryptography` when OpenSSL fails.
    ///
    /// - Parameter now: counted from 1970 where `secrets` are kept.
    public init(_ configuration: MatchFrontConfiguration, now: Instant) throws(SecureError) {
        let identity = configuration.identity
        let secrets = configuration.secrets
        // What can fail comes first: a part of what cannot be copied is never there.
        let veil = try MatchVeil(pin: identity.gatewayID, isMatchmaker: true)
        let context = try MatchDTLS.Context(identity)
        let tickets = try TicketKeys(secrets.tickets, now: now)
        self.veil = veil
        self.context = context
        self.tickets = tickets
        cookies = CookieMaker(secret: secrets.secret(for: "DX match cookie 1\0"))
        alternatePort = configuration.alternatePort ?? 0
        let seed = Block32(secrets.secret(for: "DX match front 1\0"))
        handshakeBudget = PrefixLimiter(
            perSecond: Self.handshakesPerSecond, burst: Self.handshakesPerSecond * 2,
            shared: Self.handshakesPerSecond * 8, capacity: configuration.limits.prefixes, seed: seed)
        servedGroups = configuration.groups
        // The sockets are set for each datagram.
        let nowhere = STUNServer.Sockets(primary: Endpoint(v4: 0, port: 0))
        stun = STUNServer(
            nowhere, software: STUNSoftware.text(pin: identity.gatewayID),
            prefixes: min(16_384, configuration.limits.prefixes), seed: seed)
        answersStrangers = configuration.answersSTUN
        server = MatchServer(
            MatchServerConfiguration(
                pin: identity.gatewayID, secret: Block32(secrets.secret(for: "DX match server 1\0")),
                seed: SecureRandom.next(), limits: configuration.limits, isMirrored: configuration.isMirrored),
            cryptography: cryptography)
        server.servesAll = configuration.groups == .open
    }

    // MARK: State

    /// What it holds and has done. Looks at each group once.
    public var status: MatchFrontStatus {
        MatchFrontStatus(
            server: server.status, front: counts, handshakes: handshakes.count, servedKeys: servedGroups.count)
    }

    /// Counts since the start.
    public var statistics: MatchFrontStatistics { counts }

    /// What is to be kept for the next start instead of the secrets' chain: changes each day, in `timeoutFired`.
    public var ticketChain: TicketChain { tickets.chain }

    /// The earliest time at which `timeoutFired` or `pollNotice` must be called.
    public var nextTimeout: Instant {
        var next = tickets.nextTimeout
        if let server = server.nextTimeout { next = min(next, server) }
        if let handshakes = handshakes.nextTimeout { next = min(next, handshakes) }
        return next
    }

    /// Everything held under a group tag.
    public func audit(_ tag: GroupTag, now: Instant) -> [MatchAuditEntry] { server.audit(tag, now: now) }

    /// Whether it takes nobody new and tells members to use other matchmakers.
    public var isLeaving: Bool {
        get { server.isLeaving }
        set { server.isLeaving = newValue }
    }

    /// Whose groups are served. Those that are no longer lose their registrations and tickets at once, and their guests too.
    public var groups: ServedGroups {
        get { servedGroups }
        set {
            servedGroups = newValue
            server.servesAll = newValue == .open
            server.endAdmissions { newValue.serves($0) }
            // What ended a moment ago may still be in its place, and goes by itself.
            let guests = server.admittedKeys
            server.evict { newValue.serves($0) || guests.contains($0) }
        }
    }

    /// How it stands with a match key.
    enum Standing: Equatable {
        /// Its group is served.
        case served
        /// It is served until then, because a member of a served group admitted it (`docs/matchmaking.md` §4.4).
        case guest(until: Instant)
        /// It is not served.
        case stranger
    }

    /// How it stands with a match key at `now`.
    func standing(of key: MatchKeyHash, now: Instant) -> Standing {
        if servedGroups.serves(key) { return .served }
        return server.admissionEnd(of: key, now: now).map { .guest(until: $0) } ?? .stranger
    }

    // MARK: Inputs

    /// Takes a datagram.
    ///
    /// - Parameters:
    ///   - source: who sent it, by the kernel's word.
    ///   - place: where it came to.
    /// - Returns: the answer to `source`, if there is one.
    public mutating func receive(
        _ datagram: RawSpan, from source: Endpoint, at place: MatchPlace, now: Instant
    ) -> MatchReply? {
        counts.received &+= 1
        counts.receivedByteCount &+= UInt64(datagram.byteCount)
        do throws(MatchFrontDrop) {
            guard source.isSendable else { throw .unusableSource }
            let reply: MatchReply?
            if answersStrangers, let sockets = place.sockets, STUNMessage.isPossible(datagram) {
                reply = try answerSTUN(datagram, from: source, at: place, sockets, now: now)
            } else {
                reply = try answerVeiled(datagram, from: source, at: place, now: now)
            }
            if let reply { countSent(reply.datagram.count) }
            return reply
        } catch {
            counts.count(error)
            return nil
        }
    }

    /// Does what is due at `now`; harmless when called early.
    ///
    /// - Returns: whether `ticketChain` has changed and is to be kept.
    public mutating func timeoutFired(now: Instant) throws(SecureError) -> Bool {
        server.timeoutFired(now: now)
        counts.handshakesExpired &+= UInt64(handshakes.expire(now: now))
        return try tickets.timeoutFired(now: now)
    }

    // MARK: Outputs

    /// The next notice that is due, sealed; nil when there is none.
    public mutating func pollNotice(now: Instant) -> MatchNoticeDatagram? {
        while true {
            var transmit: NoticeTransmit?
            let body = [UInt8](capacity: MatchNotice.maximumByteCount) { output in
                transmit = server.pollNotice(into: &output, now: now)
            }
            guard let transmit else { return nil }
            guard let datagram = sealed(body, transmit) else {
                counts.count(.cryptography)
                continue
            }
            countSent(datagram.count)
            return MatchNoticeDatagram(
                datagram: datagram, destination: transmit.destination, socket: transmit.socket)
        }
    }

    private func sealed(_ body: [UInt8], _ transmit: NoticeTransmit) -> [UInt8]? {
        var message = [UInt8](capacity: NoticeMessage.associatedByteCount) {
            NoticeMessage.writeAssociated(handle: transmit.handle, number: transmit.number, to: &$0)
        }
        guard let sealed = try? NoticeSeal.seal(body.raw, data: message.raw, key: Bytes32(transmit.key)) else {
            return nil
        }
        message.append(contentsOf: sealed)
        return try? veil.seal(message.raw)
    }

    /// The next thing that other instances want to know.
    public mutating func pollEvent() -> RegistryEvent? { server.pollEvent() }

    private mutating func countSent(_ byteCount: Int) {
        counts.sent &+= 1
        counts.sentByteCount &+= UInt64(byteCount)
    }
}

/// What a front is told when it starts.
public struct MatchFrontConfiguration: Sendable {
    /// The matchmaker's key, whose gateway id is its pin.
    public var identity: Identity
    /// What it keeps.
    public var secrets: MatchSecrets
    /// Whose groups are served.
    public var groups: ServedGroups
    /// Limits of the machine and of its front.
    public var limits: MatchServerLimits
    /// The second port that tickets tell of; nil for none.
    public var alternatePort: UInt16?
    /// Whether STUN is answered to those who do not know the pin.
    public var answersSTUN = true
    /// Whether there are other instances (`RegistryEvent`).
    public var isMirrored = false

    /// A configuration of these.
    public init(
        identity: Identity, secrets: MatchSecrets, groups: ServedGroups,
        limits: MatchServerLimits = MatchServerLimits(), alternatePort: UInt16? = nil
    ) {
        self.identity = identity
        self.secrets = secrets
        self.groups = groups
        self.limits = limits
        self.alternatePort = alternatePort
    }
}

/// Where a datagram came to.
public struct MatchPlace: Equatable, Sendable, BitwiseCopyable {
    /// The number of the socket and local address, which a registration is bound to: its notices leave from there.
    public var socket: UInt8
    /// How the socket differs from the first of its set.
    public var role: STUNChange
    /// The set, as clients see it; nil where no STUN is answered.
    public var sockets: STUNServer.Sockets?

    /// A place.
    public init(socket: UInt8, role: STUNChange = [], sockets: STUNServer.Sockets? = nil) {
        self.socket = socket
        self.role = role
        self.sockets = sockets
    }
}

/// An answer to the sender of a datagram.
public struct MatchReply: Equatable, Sendable {
    /// Its bytes.
    public var datagram: [UInt8]
    /// Which socket of the set it leaves from: the one that was asked, but for STUN's CHANGE-REQUEST.
    public var role: STUNChange
}

/// A notice that goes out.
public struct MatchNoticeDatagram: Equatable, Sendable {
    /// Its bytes.
    public var datagram: [UInt8]
    /// Where to.
    public var destination: Endpoint
    /// The place that the member registered at, and that it must leave from.
    public var socket: UInt8
}
