import DXWire

/// One request until it is answered (`docs/matchmaking.md` §4): what is asked again has another number, and an answer to any of
/// them will do.
struct MatchExchange: Sendable {
    /// What is asked for.
    enum Purpose: Hashable, Sendable {
        /// Our address, as seen at this one.
        case observe(Endpoint)
        /// The same with the largest datagram there is, to see whether it arrives.
        case measure(Endpoint)
        /// To be listed.
        case register
        /// To be listed no more under this name.
        case leave(Handle, server: Endpoint)
        /// A page of the roster.
        case roster(MemberTag)
        /// An introduction with this nonce.
        case introduce(UInt64)
        /// That holders of this match key are served.
        case admit(PublicPoint)
    }

    /// A datagram that went out.
    struct Sent: Sendable {
        let sequence: UInt64
        let at: Instant
    }

    /// What is asked for.
    let purpose: Purpose
    /// How often it is asked at most.
    let maximumAttempts: Int
    /// What went out.
    private(set) var sent: [Sent] = []
    /// When it is asked again, or given up.
    private(set) var dueAt: Instant

    /// A request is asked for five times, within 7.5 seconds at first: of five datagrams one comes through almost any network.
    static let attempts = 5

    init(_ purpose: Purpose, maximumAttempts: Int = Self.attempts, now: Instant) {
        self.purpose = purpose
        self.maximumAttempts = max(1, maximumAttempts)
        dueAt = now
    }

    /// Whether it is to be sent at `now`.
    func isDue(now: Instant) -> Bool { sent.count < maximumAttempts && now >= dueAt }

    /// Whether it is over without an answer.
    func isGivenUp(now: Instant) -> Bool { sent.count >= maximumAttempts && now >= dueAt }

    /// When the datagram with this number went out; nil if it is none of this request's.
    func sentAt(_ sequence: UInt64) -> Instant? { sent.first { $0.sequence == sequence }?.at }

    /// It went out.
    mutating func onSent(_ sequence: UInt64, _ roundTrip: RoundTripTime, now: Instant) {
        dueAt = now + roundTrip.timeout(attempt: sent.count)
        sent.append(Sent(sequence: sequence, at: now))
    }
}

/// An introduction of ours (`docs/matchmaking.md` §4.2) that is not answered yet.
struct WantedIntroduction: Sendable {
    let memberTag: MemberTag
    let nonce: UInt64
    let blob: [UInt8]
    let endsAt: Instant
    /// Whether it may still wait for a registration that the matchmaker has forgotten. Once: it could forget for ever.
    var canWait = true

    /// As long as checks go on (§7): a later answer is of no use.
    static let patience = Interval.seconds(10)
}
