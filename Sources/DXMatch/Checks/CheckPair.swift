public import DXWire

/// One way that a check list tries: from an address of ours to one of the peer's, and what came of it. For `explain` it is
/// the record of all that was done.
public struct CheckPair: Sendable {
    /// Where our checks leave from.
    public let base: Endpoint
    /// The peer's candidate.
    public internal(set) var remote: PathCandidate
    /// Its worth; higher is better. Both ends compute the same.
    public internal(set) var priority: UInt64
    /// Whether it is a private address of another network: tried last and twice only.
    public internal(set) var isReluctant: Bool

    /// How far it is.
    public enum State: Sendable, Equatable {
        /// Nothing was sent yet.
        case waiting
        /// A check is out.
        case inProgress
        /// A check was answered, none of the peer's was heard yet: it is on its way, or was lost.
        case answered
        /// Both directions were proved.
        case valid
        /// It is tried no more.
        case ended(End)
    }

    /// Why a pair is tried no more.
    public enum End: Sendable, Equatable {
        /// All its checks were sent and no answer came.
        case unanswered
        /// A better pair, or as good a one, is in use.
        case superseded
        /// Its candidate had to go for better ones.
        case dropped
        /// The list's time was over.
        case listEnded
    }

    /// How far it is.
    public internal(set) var state = State.waiting
    /// Checks sent.
    public internal(set) var sentCount = 0
    /// How often the budget made a check wait.
    public internal(set) var deferredCount = 0
    /// Checks of the peer's that came this way.
    public internal(set) var heardCount = 0
    /// When it was first sent to, heard from, answered; nil before.
    public internal(set) var firstSentAt: Instant?
    /// When the peer's first check came.
    public internal(set) var heardAt: Instant?
    /// When the first answer came.
    public internal(set) var answeredAt: Instant?
    /// How long the answer took that came last.
    public internal(set) var roundTrip: Interval?
    /// Our own address as the peer sees it this way.
    public internal(set) var observed: Endpoint?
    /// Whether it was ever in use.
    public internal(set) var wasSelected = false

    /// When the next check is due; nil when none is.
    var due: Instant?
    /// Whether a check that was heard calls for one at once.
    var isTriggered = false
    /// Whether the peer, which controls, has chosen it.
    var isNominatedByPeer = false
    /// Checks sent since it was last set going: the place in the schedule.
    var step = 0
    /// The checks whose answers count, the last ones.
    var transactions: [(id: TransactionID, sentAt: Instant, isNominated: Bool)] = []

    /// Checks in all to an address that does not answer, for one list (`docs/matchmaking.md` §7): at 0, 0.1, 0.3, 0.7, 1.5,
    /// 3.1, 4.7, 6.3, 7.9 and 9.5 s.
    public static let checkLimit = 10
    /// Checks to a private address of another network.
    public static let reluctantLimit = 2
    /// Checks in all, once it has answered: those that nominate are repeated too.
    static let answeredLimit = 30

    /// The pause before the next check: doubling from 100 to 1,600 ms. Once the peer was heard on the pair, which is then most
    /// likely open, the first four are 100 ms each: what was lost is made good before anybody notices.
    var pause: Interval {
        let doubling = heardCount > 0 ? max(0, step - 3) : step
        return .milliseconds(100 &<< Int64(max(0, min(doubling, 4))))
    }

    init(base: Endpoint, remote: PathCandidate, priority: UInt64, isReluctant: Bool, now: Instant) {
        self.base = base
        self.remote = remote
        self.priority = priority
        self.isReluctant = isReluctant
        due = now
    }

    /// Whether the peer's address has proved itself by an answer.
    var hasAnswered: Bool { answeredAt != nil }

    /// Whether something may still come of it.
    var isAlive: Bool {
        switch state {
        case .waiting, .inProgress, .answered, .valid: true
        case .ended: false
        }
    }

    /// Whether it may send another check.
    var mayCheck: Bool {
        if hasAnswered { return sentCount < Self.answeredLimit }
        return sentCount < (isReluctant && heardCount == 0 ? Self.reluctantLimit : Self.checkLimit)
    }

    /// It is tried no more.
    mutating func end(_ end: End) {
        state = .ended(end)
        due = nil
        isTriggered = false
    }
}
