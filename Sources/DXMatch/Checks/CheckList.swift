public import DXWire

/// Finds a way to one peer: sends checks over all pairs of addresses, answers the peer's, chooses (`docs/matchmaking.md` §7;
/// RFC 8445 with one stream and one component). One list is one introduction.
///
/// A pair is **valid** when a check of ours was answered and one of the peer's was heard on it. The gateway with the lower id
/// **nominates** the first valid pair at once, and any better one that becomes valid while the list lives. A check from an
/// address that is nobody's candidate makes a peer-reflexive one.
///
/// **Order**: after every input or command poll `pollTransmit` until dry, then `pollEvent`, then ask `nextTimeout` and call
/// `timeoutFired` when it is due. Time never goes back.
///
/// **Limits**: 16 candidates of each side and 16 peer-reflexive ones, 100 pairs, 10 seconds; one check each 20 ms; what
/// `CheckBudget` says to addresses that have not answered; 50 answers a second. Nothing that arrives makes it trap, or send more.
/// After its end it still answers checks: the peer's list may live a little longer.
public struct CheckList: Sendable {
    /// What the list has to tell.
    public enum Event: Sendable, Equatable {
        /// The pair of this index works in both directions.
        case valid(pair: Int)
        /// It is to be used from now on. Comes again when a better one takes over.
        case nominated(pair: Int)
        /// The list is over, with a pair in use.
        case finished
        /// The list is over without one.
        case failed(Failure)
    }

    /// Why no way was found.
    public enum Failure: Sendable, Equatable {
        /// We have no candidate.
        case noLocalCandidate
        /// The peer named none that may be sent to, and none of its checks was heard.
        case noRemoteCandidate
        /// One of us has IPv4 only, the other IPv6 only.
        case noCommonFamily
        /// No check was answered and none heard.
        case silence
        /// The peer's checks arrive, ours are not answered.
        case unanswered
        /// Ours are answered, the peer's do not arrive.
        case unheard
    }

    /// All pairs that were ever made, in the order of their making; indices do not change.
    public internal(set) var pairs: [CheckPair] = []
    /// The pair in use.
    public internal(set) var selected: Int?
    /// Candidates that are never sent to, and why; the first 32.
    public internal(set) var refusals: [(candidate: PathCandidate, reason: CandidateFilter.Reason)] = []
    /// Whether this gateway chooses: that with the lower id.
    public let isControlling: Bool
    /// When the list began.
    public let startedAt: Instant
    /// When it is over.
    public internal(set) var endsAt: Instant
    /// Whether it is over.
    public internal(set) var isOver = false
    /// Messages that were dropped: answers to nothing that was asked, checks above the limit or from where nothing is sent to.
    public internal(set) var droppedCount = 0

    /// Our candidates.
    public internal(set) var locals = CandidateSet()
    /// The peer's.
    public internal(set) var remotes = CandidateSet()

    /// Where checks may leave from.
    struct Base {
        let endpoint: Endpoint
        /// The best priority of our candidates there.
        var priority: UInt32
        /// Whether nobody told of it: a socket of a prediction. It is for the address that was heard there alone.
        let isLearned: Bool
    }

    let filter: CandidateFilter
    var random: RandomSource
    var bases: [Base] = []
    var peerReflexiveCount = 0
    var isLocalComplete = false
    /// Whether pairs may come that nobody can name.
    var isGuessed = false
    var isRemoteComplete = false
    var answers: [CheckTransmit] = []
    /// When the last answers were promised, of the last second.
    var answerTimes: [Instant] = []
    var events: [Event] = []
    var nextCheckAt: Instant
    /// Whether a repetition goes next when a first check waits too.
    var isRepetitionNext = false
    /// The pair whose nomination is on its way.
    var nominating: Int?

    /// Ten seconds: what all checks of a pair take (`docs/matchmaking.md` §7).
    public static let lifetime = Interval.seconds(10)
    /// A list that is expected to find nothing tries each pair six times (3.1 s), and waits for the slowest answer.
    public static let shortLifetime = Interval.seconds(4)
    /// Ta of RFC 8445 §14.2 is 50 ms at the least for many lists; one list of 148-byte datagrams at 20 ms is 60 kbit/s.
    public static let pacing = Interval.milliseconds(20)
    /// RFC 8445 §6.1.2.5 recommends 100.
    public static let pairLimit = 100
    /// Peer-reflexive candidates at most, and bases that nobody told of (sockets of a prediction).
    public static let learnedLimit = 16
    /// Answers in a second (`docs/matchmaking.md` §7).
    public static let answerLimit = 50

    /// A list without candidates. Nil when both ids are the same.
    ///
    /// - Parameters:
    ///   - local: our id.
    ///   - remote: the peer's.
    ///   - filter: what is never sent to.
    ///   - random: makes the names of checks.
    public init?(local: GatewayID, remote: GatewayID, filter: CandidateFilter, random: RandomSource, now: Instant) {
        guard let role = local.role(towards: remote) else { return nil }
        isControlling = role == .lower
        self.filter = filter
        self.random = random
        startedAt = now
        endsAt = now + Self.lifetime
        nextCheckAt = now
    }

    // MARK: A. State

    /// The pair in use.
    public var selectedPair: CheckPair? { selected.map { pairs[$0] } }

    /// Whether an answer from there to this check would count: whose answer it is, when there are several lists.
    public func awaits(_ transaction: TransactionID, from source: Endpoint, on base: Endpoint) -> Bool {
        index(base: base, remote: source).map { index in
            pairs[index].transactions.contains { $0.id == transaction }
        } ?? false
    }

    /// When `timeoutFired` is due; nil when the list is over.
    public var nextTimeout: Instant? {
        guard !isOver else { return nil }
        var next = endsAt
        for pair in pairs {
            guard let due = pair.due else { continue }
            next = min(next, pair.mayCheck ? max(due, nextCheckAt) : due)
        }
        // Nothing is left to try: only what the peer might still send.
        if isHopeless { next = min(next, startedAt + Self.shortLifetime) }
        return next
    }

    // MARK: C. Commands

    /// Adds candidates of ours; they may come at any time (RFC 8838).
    public mutating func addLocal(_ candidates: [PathCandidate], now: Instant) {
        for candidate in candidates where locals.insert(candidate) != .refused {
            addBase(candidate.base, priority: candidate.priority, now: now)
        }
        endIfHopeless(now: now)
    }

    /// Adds candidates that the peer, or a matchmaker that saw it, named; they may come at any time.
    public mutating func addRemote(_ candidates: [PathCandidate], now: Instant) {
        for candidate in candidates {
            guard candidate.kind != .peerReflexive else {
                refuse(candidate, .kind)
                continue
            }
            let verdict = filter.judge(candidate.endpoint)
            if case .refused(let reason) = verdict {
                refuse(candidate, reason)
                continue
            }
            // A peer tells no base; what it pretends must not make one address two.
            let plain = PathCandidate(kind: candidate.kind, endpoint: candidate.endpoint, priority: candidate.priority)
            switch remotes.insert(plain) {
            case .refused: refuse(candidate, .tooMany)
            case .known: break
            case .improved, .inserted(dropped: nil): pairUp(plain, now: now)
            case .inserted(let dropped?):
                letGo(dropped)
                pairUp(plain, now: now)
            }
        }
        endIfHopeless(now: now)
    }

    /// No more candidates of ours will come.
    public mutating func localIsComplete(now: Instant) {
        isLocalComplete = true
        endIfHopeless(now: now)
    }

    /// No more of the peer's will come.
    public mutating func remoteIsComplete(now: Instant) {
        isRemoteComplete = true
        endIfHopeless(now: now)
    }

    /// What is known of both NATs says that no way will be found; it is tried for a shorter time then, because what is known may
    /// be wrong.
    public mutating func expectNothing() { endsAt = min(endsAt, startedAt + Self.shortLifetime) }

    /// A port is being guessed, here or at the other end: what gets through comes by a pair that is not known yet, so the list is
    /// not over when all known ones are.
    public mutating func expectGuesses() { isGuessed = true }

    // MARK: D. Output

    /// The next event.
    public mutating func pollEvent() -> Event? { events.isEmpty ? nil : events.removeFirst() }
}

extension CheckList.Failure: CustomStringConvertible {
    /// For `explain`.
    public var description: String {
        switch self {
        case .noLocalCandidate: "this gateway has no address to send from"
        case .noRemoteCandidate: "the peer named no address that may be sent to"
        case .noCommonFamily: "one of the two has IPv4 only, the other IPv6 only"
        case .silence: "no check was answered, and none of the peer's arrived"
        case .unanswered: "the peer's checks arrive, but ours are not answered"
        case .unheard: "our checks are answered, but none of the peer's arrived"
        }
    }
}
