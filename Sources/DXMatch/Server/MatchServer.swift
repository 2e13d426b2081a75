public import DXWire

/// The matchmaker's machine (`docs/matchmaking.md` §4): who is registered, what requests are answered, who is told of whom. It
/// has no socket and no cryptography of its own: a front opens and seals what goes over the wire (§2, §3) and hands in what was
/// asked, by whom, from where.
///
/// Inputs are `receive` and `receiveRefresh`, which give their answer at once and keep nothing of it, `timeoutFired`, and what
/// other instances tell (`MatchServer+Mirror.swift`). After any of them poll in this order until dry: `pollNotice`, `pollEvent`;
/// then arm a timer for `nextTimeout`. `now` must not go backwards. Whatever comes in, the machine works on: a request that
/// cannot be served has a status or is dropped, and counted.
///
/// No answer is longer than what it answers, nothing is kept of an address before it was proved, and everything has a limit
/// (`MatchServerLimits`).
///
/// Complexity: O(1) for each request, but for a roster's entries and the place of a new member in its group's list.
public struct MatchServer<Cryptography: MatchCryptography>: ~Copyable {
    /// What registrations are signed for.
    let pin: GatewayID
    /// How much is taken and done.
    let limits: MatchServerLimits
    /// Whether anybody polls events.
    let isMirrored: Bool
    /// What proofs of address are made from.
    let proofSecret: Block32
    /// Of requests in a group.
    let groupRate: RateMark.Rate
    /// Of introductions that a member asks for.
    let askerRate: RateMark.Rate
    /// Of introductions to a member.
    let targetRate: RateMark.Rate
    /// Who is registered.
    var registry: Registry
    /// Whose guests are served.
    var admissions = Admissions()
    /// What was not acknowledged yet.
    var notices: NoticeQueue
    /// Who was introduced to whom in the last minute.
    var pairs: IntroductionPairs
    /// Requests of address prefixes.
    var requestBudget: PrefixLimiter
    /// Signatures checked for address prefixes.
    var signatureBudget: PrefixLimiter
    /// For handles.
    var random: RandomSource
    /// What other instances have not been told yet.
    var events = Line<RegistryEvent>()
    /// Whether they must be told that there was more.
    var hasOverflowed = false

    /// Whether this instance takes nobody new and tells members to use others. Set once, when it is to end.
    public var isLeaving = false
    /// Whether every match key is served: then ADMIT (§4.4) succeeds and changes nothing. Set by whoever gives tickets.
    public var servesAll = false
    /// Counts since the start.
    public internal(set) var statistics = MatchServerStatistics()
    /// Hashes and signatures. The last of what is stored: where the others lie does not hang on its size then, which code that is
    /// not specialised for it would have to look up.
    let cryptography: Cryptography

    /// A proof of address is good in its slot of time and the next one (§4.1): half a minute to a minute. The client has it after
    /// one round trip.
    static var proofSlot: Interval { .seconds(30) }

    /// An empty matchmaker.
    public init(_ configuration: MatchServerConfiguration, cryptography: Cryptography) {
        func secret(_ purpose: StaticString) -> Block32 { cryptography.secret(configuration.secret, for: purpose) }
        let limits = configuration.limits
        pin = configuration.pin
        self.limits = limits
        isMirrored = configuration.isMirrored
        self.cryptography = cryptography
        proofSecret = secret("dx match proof 1")
        let perGroup = limits.requestsPerGroup
        groupRate = RateMark.Rate(perGroup, in: .seconds(1), burst: perGroup.multipliedReportingOverflow(by: 4).0)
        askerRate = RateMark.Rate(
            limits.introductionsPerAsker, in: .seconds(60), burst: limits.introductionsPerAsker)
        targetRate = RateMark.Rate(
            limits.introductionsPerTarget, in: .seconds(1), burst: limits.introductionsPerTarget)
        let tableSecret = secret("dx match table 1")
        registry = Registry(seed: tableSecret)
        notices = NoticeQueue(capacity: limits.notices, seed: tableSecret)
        pairs = IntroductionPairs(perPair: limits.introductionsPerPair, capacity: limits.pairs, seed: tableSecret)
        requestBudget = Self.limiter(limits.requestsPerPrefix, limits, tableSecret)
        signatureBudget = Self.limiter(limits.signaturesPerPrefix, limits, tableSecret)
        random = RandomSource(seed: configuration.seed)
    }

    private static func limiter(_ rate: Int, _ limits: MatchServerLimits, _ seed: Block32) -> PrefixLimiter {
        let perSecond = max(1, min(rate, 100_000))
        return PrefixLimiter(
            perSecond: perSecond, burst: perSecond * 2, shared: perSecond * max(1, min(limits.sharedPrefixes, 1_000)),
            capacity: limits.prefixes, seed: seed)
    }

    // MARK: State

    /// The earliest time at which `timeoutFired` must be called, or nil.
    public var nextTimeout: Instant? {
        let times = [registry.nextExpiry, notices.nextDue, admissions.nextSweep]
        return times.lazy.compactMap(\.self).min()
    }

    /// What is held, in numbers. Looks at each group once: for status, not for each request.
    public var status: MatchServerStatus {
        MatchServerStatus(
            registrations: registry.count, groups: registry.groups.count, matchKeys: registry.matchKeys.count,
            admissions: admissions.count, pendingNotices: notices.count, registryByteCount: registry.byteCount, isLeaving: isLeaving,
            statistics: statistics)
    }

    // MARK: Inputs

    /// Takes the body of a request, opened and authentic, and appends the body of the answer.
    ///
    /// - Parameters:
    ///   - body: all of it, with its padding: it says how long the answer may be.
    ///   - output: has room for `AnswerMessage.maximumBody(requestBody:)` bytes (a programming error otherwise: traps).
    /// - Returns: the status that was answered. Nothing was appended when it throws.
    @_lifetime(output: copy output)
    public mutating func receive(
        _ body: RawSpan, _ facts: RequestFacts, into output: inout OutputRawSpan, now: Instant
    ) throws(MatchServerDrop) -> MatchStatus {
        do {
            let status = try answer(body, facts, into: &output, now: now)
            statistics.count(status)
            return status
        } catch {
            statistics.count(error)
            throw error
        }
    }

    /// Takes a REFRESH.
    ///
    /// - Returns: the answer; nil when none is wanted and there is nothing to tell.
    public mutating func receiveRefresh(
        _ refresh: RefreshMessage, from source: Endpoint, socket: UInt8, now: Instant
    ) throws(MatchServerDrop) -> RefreshedMessage? {
        do {
            return try answer(refresh, from: source, socket: socket, now: now)
        } catch {
            statistics.count(error)
            throw error
        }
    }

    /// Does what is due at `now`; harmless when called early.
    public mutating func timeoutFired(now: Instant) {
        admissions.timeoutFired(now: now)
        var budget = limits.expiriesPerTurn
        while let slot = registry.nextExpired(now: now, budget: &budget) {
            if registry.registrations[slot].instance == 0 { statistics.expired &+= 1 }
            remove(slot)
        }
    }

    // MARK: Outputs

    /// Appends the body of the next notice that is due, at most `MatchNotice.maximumByteCount` bytes, and says how it goes out;
    /// nil when there is none.
    @_lifetime(output: copy output)
    public mutating func pollNotice(into output: inout OutputRawSpan, now: Instant) -> NoticeTransmit? {
        while let pending = notices.next(now: now) {
            guard let slot = liveSlot(of: pending.handle, now: now) else {
                notices.acknowledge(pending.handle, number: pending.number)
                continue
            }
            let registration = registry.registrations[slot]
            guard registration.instance == 0 else {
                notices.acknowledge(pending.handle, number: pending.number)
                continue
            }
            let mask = cryptography.addressMask(sequence: UInt64(pending.number))
            unsafe pending.notice.write(blob: pending.blob.span.bytes, mask: mask, to: &output)
            statistics.notices &+= 1
            return NoticeTransmit(
                destination: registration.address, socket: registration.socket, handle: pending.handle,
                number: pending.number, key: cryptography.noticeKey(registration.handleKey))
        }
        return nil
    }

    /// The next thing that other instances want to know; nil when there is none, or nobody wants to know.
    public mutating func pollEvent() -> RegistryEvent? {
        if hasOverflowed {
            hasOverflowed = false
            return .overflowed
        }
        return events.popFirst()
    }

    // MARK: What all inputs use

    /// The slot of a registration that has not ended.
    func liveSlot(of handle: Handle, now: Instant) -> UInt32? {
        guard let slot = registry.slot(of: handle), registry.registrations[slot].isLive(now: now) else { return nil }
        return slot
    }

    /// Takes a registration out and tells of it.
    mutating func remove(_ slot: UInt32) {
        if isMirrored && registry.registrations[slot].instance == 0 { tell(.removed(registry.key(of: slot))) }
        registry.remove(slot)
    }

    /// Queues an event.
    mutating func tell(_ event: RegistryEvent) {
        guard isMirrored, !hasOverflowed else { return }
        guard events.count < limits.events else {
            events.removeAll()
            hasOverflowed = true
            return
        }
        events.append(event)
    }
}

/// Who asks, and how that is known: what the front took from a request's ticket and datagram.
public struct RequestFacts: Sendable, BitwiseCopyable {
    /// From the ticket; zero where it was given without a match key.
    public var matchKey: MatchKeyHash
    /// From the ticket: the key from the matchmaker to the client.
    public var answerKey: Block32
    /// The request's number.
    public var sequence: UInt64
    /// Where it came from.
    public var source: Endpoint
    /// Which of the matchmaker's sockets heard it.
    public var socket: UInt8
    /// Whether the match key is served only because it was admitted (`docs/matchmaking.md` §4.4).
    public var isGuest: Bool

    /// Facts of a request.
    public init(
        matchKey: MatchKeyHash, answerKey: Block32, sequence: UInt64, source: Endpoint, socket: UInt8,
        isGuest: Bool = false
    ) {
        self.matchKey = matchKey
        self.answerKey = answerKey
        self.sequence = sequence
        self.source = source
        self.socket = socket
        self.isGuest = isGuest
    }
}

/// How a notice goes out. The front seals the body under `key` and sends it, unless the kernel cannot take it: then it is lost.
public struct NoticeTransmit: Equatable, Sendable, BitwiseCopyable {
    /// Where to.
    public var destination: Endpoint
    /// The socket at which the receiver is registered: what its NAT lets through.
    public var socket: UInt8
    /// The receiver's registration.
    public var handle: Handle
    /// The notice's number.
    public var number: UInt32
    /// For AES-128-SIV. A secret.
    public var key: Block32
}
