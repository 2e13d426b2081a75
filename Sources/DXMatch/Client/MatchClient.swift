public import DXWire

/// The gateway's end of the matchmaker protocol (`docs/matchmaking.md` §2, §3, §4): one machine for one matchmaker and one match
/// key. It gets a ticket and another one in time, keeps a registration, reads the roster, asks for introductions and hears of
/// those by others. Who registers under two match keys, or two group tags at once, has two machines, which share nothing but
/// the socket: `receive` says which one a datagram is for.
///
/// It is silent until there is something to do: a registration is wanted or an address is asked for.
///
/// **Order**: after every input or command poll `pollTransmit` until dry, then `pollEvent` until dry, then arm a timer for
/// `nextTimeout` and call `timeoutFired` when it is due. `now` must not go backwards.
///
/// **Trust**: what cannot be read, is for nobody, or is not authentic is dropped and counted. A matchmaker can withhold, lie about
/// addresses and repeat; it cannot make the machine hurry, keep much, act twice on one introduction, or stop working.
///
/// Bound to one event loop where its cryptography is.
public struct MatchClient<Cryptography: MatchClientCryptography> {
    typealias Keys = Cryptography.Keys

    /// What it was made with.
    public let configuration: MatchClientConfiguration
    let cryptography: Cryptography
    /// Nil: the ticket serves OBSERVE only.
    let matchKey: Cryptography.SigningKey?
    var random: RandomSource

    var addresses = MatchAddresses()
    var roundTrip = RoundTripTime()
    /// How often refreshes go out.
    var keepalive: Interval

    // The ticket.
    var ticket: HeldTicket<Keys>?
    var ticketExchange: TicketExchange<Cryptography.Handshake>?
    var ticketRetry = RetryTimer()
    /// When a ticket was last refused and another one asked for at once.
    var refusedAt: Instant?

    // The registration.
    var wanted: WantedRegistration<Cryptography.SigningKey>?
    var listing: HeldListing?
    var registerRetry = RetryTimer()
    var proof: (value: AddressProof, madeAt: Instant)?
    /// Proofs that were asked for since a registration was last done.
    var proofCount = 0

    // Requests.
    var exchanges: [MatchExchange] = []
    var introductions: [WantedIntroduction] = []
    var admissions: [WantedAdmission] = []
    /// Where our address is to be asked for.
    var observations: [Endpoint] = []
    var roster: RosterReading

    var notices = NoticeMemory()
    var noticeRate = TokenBucket(
        perSecond: MatchClientLimits.noticesPerSecond, burst: MatchClientLimits.noticesPerSecond * 2)
    var events = Line<MatchClientEvent>()

    // What status tells.
    var problem: MatchClientProblem?
    var observedV4: Endpoint?
    var observedV6: Endpoint?
    var lastHeardAt: Instant?
    var isStopped = false
    /// Whether `left` is owed when the last LEAVE is done.
    var isLeaving = false
    var statistics = MatchClientStatistics()

    /// A machine that knows no address yet.
    ///
    /// - Parameters:
    ///   - matchKey: under which a registration is made; nil for one that only asks for our address.
    ///   - kept: a ticket of an earlier run, for the same pin and match key.
    public init(
        _ configuration: MatchClientConfiguration, matchKey: Cryptography.SigningKey?, cryptography: Cryptography,
        kept: MatchTicket? = nil, now: Instant
    ) {
        self.configuration = configuration
        self.cryptography = cryptography
        self.matchKey = matchKey
        random = RandomSource(seed: configuration.seed)
        keepalive = max(configuration.keepalive, .seconds(1))
        roster = RosterReading(isAutomatic: configuration.readsRoster)
        if let kept { take(kept, now: now) }
    }

    // MARK: A. State

    /// When `timeoutFired` is due; nil while nothing is waited for.
    public var nextTimeout: Instant? {
        var next = Instant.distantFuture
        if let exchange = ticketExchange { next = min(next, exchange.dueAt, exchange.endsAt) }
        for exchange in exchanges { next = min(next, exchange.dueAt) }
        for introduction in introductions { next = min(next, introduction.endsAt) }
        if let listing {
            next = min(next, listing.endsAt)
            if !listing.isLapsed { next = min(next, listing.dueAt) }
        }
        if let waiting = nextAttempt { next = min(next, waiting) }
        return next == .distantFuture ? nil : next
    }

    /// How it stands.
    public var status: MatchClientStatus {
        MatchClientStatus(
            state: state, server: listing?.listing.server ?? addresses.preferred, observedV4: observedV4,
            observedV6: observedV6, roundTrip: roundTrip.smoothed, lastHeardAt: lastHeardAt,
            failureCount: problem == nil ? 0 : max(ticketRetry.failureCount, registerRetry.failureCount),
            nextAttemptAt: problem == nil ? nil : nextTry,
            ticketExpiresAt: ticket?.expiresAt, memberCount: listing?.listing.memberCount, statistics: statistics)
    }

    /// How it stands, in one word.
    public var state: MatchClientStatus.State {
        if isStopped { return .stopped }
        if let listing, !listing.isLapsed { return .registered }
        if let problem { return .failing(problem) }
        if addresses.all.isEmpty { return .noAddress }
        if ticketExchange != nil || (ticket == nil && hasWork) { return .connecting }
        return wanted == nil ? .ready : .registering
    }

    /// The matchmaker's second port, for NAT behaviour (§5); nil without a ticket, or if it has none.
    public var alternatePort: UInt16? { ticket.flatMap { $0.alternatePort == 0 ? nil : $0.alternatePort } }

    /// Our pseudonym in the registration that is wanted.
    public var memberTag: MemberTag? { wanted?.memberTag }

    /// The ticket, to be kept until the next start; nil without one.
    public func exportTicket(now: Instant) -> MatchTicket? {
        guard let ticket, now < ticket.expiresAt else { return nil }
        // Far above what this run will use, so that the next one begins with numbers that nobody has seen.
        let next = ticket.nextSequence &+ 1 &<< 32
        return MatchTicket(
            ticket: ticket.ticket, keys: cryptography.bytes(of: ticket.keys), nextSequence: next,
            expiresIn: ticket.expiresAt - now, alternatePort: ticket.alternatePort, features: ticket.features)
    }

    // MARK: B. Input

    /// Takes a datagram.
    ///
    /// - Parameters:
    ///   - source: where it came from.
    ///   - base: where it was heard: an address of ours.
    /// - Returns: whether it was for this machine. If not, another machine with the same pin may want it.
    @discardableResult
    public mutating func receive(
        _ datagram: RawSpan, from source: Endpoint, on base: Endpoint, now: Instant
    ) -> Bool {
        guard addresses.all.contains(source) || source == listing?.listing.server else { return false }
        guard let bytes = cryptography.open(datagram: datagram) else {
            statistics.notOpened &+= 1
            return false
        }
        let message = unsafe bytes.span.bytes
        guard let parsed = try? MatchMessage(reading: message) else {
            statistics.malformed &+= 1
            return false
        }
        let isOurs = take(parsed, message, Heard(source: source, base: base, at: now))
        if isOurs { statistics.received &+= 1 }
        advance(now: now)
        return isOurs
    }

    /// The time that `nextTimeout` named has come; harmless when called early.
    public mutating func timeoutFired(now: Instant) {
        endTicket(now: now)
        endTicketExchange(now: now)
        endRefresh(now: now)
        endExchanges(now: now)
        endIntroductions(now: now)
        advance(now: now)
    }

    // MARK: C. Commands

    /// Replaces the matchmaker's addresses, in the order in which they are tried; at most eight are used. A registration at one
    /// that is gone is made again at another.
    public mutating func setAddresses(_ fresh: [Endpoint], now: Instant) {
        guard addresses.replace(with: fresh) else { return }
        if addresses.all.isEmpty {
            // Nothing can be sent, so nothing is due.
            ticketExchange = nil
            dropRequests()
        }
        ticketRetry.reset()
        registerRetry.reset()
        resetAdmissions()
        if let server = listing?.listing.server, !addresses.all.contains(server) { listing?.isLapsed = true }
        advance(now: now)
    }

    /// The host's network has changed: everything is tried again at once, and a registration is made again.
    public mutating func networkChanged(now: Instant) {
        ticketRetry.reset()
        registerRetry.reset()
        resetAdmissions()
        roundTrip = RoundTripTime()
        proof = nil
        // What is under way was sent from an address that may be gone.
        ticketExchange = nil
        exchanges.removeAll { $0.purpose == .register }
        listing?.isLapsed = true
        advance(now: now)
    }

    /// Wants our address, as one matchmaker address of each family sees it. Gives `observed` events.
    public mutating func observe(now: Instant) {
        guard !isStopped else { return }
        for address in addresses.oneOfEachFamily where !observations.contains(address) { observations.append(address) }
        advance(now: now)
    }

    /// Wants to know whether the largest datagram of this protocol arrives at the matchmaker. Gives a `measured` event, when there is
    /// a ticket; three datagrams of 1,200 bytes at most.
    public mutating func measure(now: Instant) {
        guard !isStopped, ticket != nil, let server = addresses.preferred ?? addresses.all.first else { return }
        begin(.measure(server), maximumAttempts: 3, now: now)
    }

    /// Sets how often refreshes go out, at least a second: as the binding's lifetime is measured.
    public mutating func setKeepalive(_ interval: Interval, now: Instant) {
        keepalive = max(interval, .seconds(1))
        guard var held = listing, held.unanswered.isEmpty else { return }
        held.dueAt = min(held.dueAt, now + refreshInterval(held.listing))
        listing = held
    }

    /// Ends the registration and everything else. `left` comes when the matchmaker has answered, after
    /// four seconds at most; the machine is of no more use.
    public mutating func stop(now: Instant) {
        guard !isStopped else { return }
        unregister(now: now)
        isStopped = true
        ticketExchange = nil
        observations = []
        exchanges.removeAll { exchange in
            if case .leave = exchange.purpose { return false }
            return true
        }
    }

    // MARK: D. Output

    /// The next datagram to send; nil when none is due.
    public mutating func pollTransmit(now: Instant) -> MatchTransmit? {
        guard !addresses.all.isEmpty else { return nil }
        let transmit = nextTicketTransmit(now: now) ?? nextRequest(now: now) ?? nextRefresh(now: now)
        if transmit != nil { statistics.sent &+= 1 }
        return transmit
    }

    /// The next event.
    public mutating func pollEvent() -> MatchClientEvent? { events.popFirst() }

    // MARK: What all parts use

    /// Begins what can be begun.
    mutating func advance(now: Instant) {
        guard !isStopped, !addresses.all.isEmpty else { return }
        beginTicketExchange(now: now)
        guard ticket != nil else { return }
        beginObservations(now: now)
        beginRegister(now: now)
        beginAdmissions(now: now)
        beginIntroductions(now: now)
        beginRoster(now: now)
    }

    /// Whether a ticket is of use.
    var hasWork: Bool { wanted != nil || !observations.isEmpty }

    /// When something that has failed is tried again, or the ticket or roster is due; nil when nothing waits for its time.
    private var nextAttempt: Instant? {
        guard !isStopped, !addresses.all.isEmpty else { return nil }
        var times: [Instant] = []
        if ticketExchange == nil, hasWork {
            let wish = ticket?.renewAt ?? .zero
            times.append(max(wish, ticketRetry.notBefore ?? .zero))
        }
        if let ticket { times.append(ticket.expiresAt) }
        if needsRegister, ticket != nil { times.append(registerRetry.notBefore ?? .zero) }
        if let time = roster.nextReading, canRequest { times.append(time) }
        if let time = nextAdmission { times.append(time) }
        return times.min()
    }

    /// When something that has failed is tried again; nil while it is being tried.
    private var nextTry: Instant? {
        guard !isStopped, !addresses.all.isEmpty else { return nil }
        if ticket == nil { return ticketExchange == nil && hasWork ? ticketRetry.notBefore : nil }
        return needsRegister ? registerRetry.notBefore : nil
    }

    /// Adds an event. What comes from outside asks for room before.
    mutating func tell(_ event: MatchClientEvent) { events.append(event) }

    /// Whether there is room for an event that somebody else causes.
    var hasRoomForEvents: Bool { events.count < MatchClientLimits.events }

    /// The matchmaker was heard for certain.
    mutating func onAuthentic(_ heard: Heard) {
        lastHeardAt = heard.at
        addresses.onAnswer(from: heard.source)
    }

    /// It does not work. Told once for each reason.
    mutating func onProblem(_ problem: MatchClientProblem) {
        guard self.problem != problem else { return }
        self.problem = problem
        switch problem {
        case .noAnswer: tell(.unreachable(nil))
        case .handshake(let reason): tell(.unreachable(reason))
        case .wrongPin(let expected, let seen): tell(.wrongPin(expected: expected, seen: seen))
        case .ticketRefused(let result): tell(.ticketRefused(result))
        case .registrationRefused(let status): tell(.registrationRefused(status))
        }
    }
}

/// A datagram for the matchmaker.
public struct MatchTransmit: Equatable, Sendable {
    /// Where it goes; from whichever address of ours the system takes.
    public var destination: Endpoint
    /// All of it.
    public var datagram: [UInt8]
}

/// How a datagram was heard.
struct Heard: Sendable, BitwiseCopyable {
    let source: Endpoint
    let base: Endpoint
    let at: Instant
}
