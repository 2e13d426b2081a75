public import DXWire

/// One introduction from its first check to its outcome: a `CheckList`, what theory says of the two NATs, and the guessing of
/// a port where that is needed (`docs/matchmaking.md` §7, §8).
///
/// **Order**: after every input or command poll `pollTransmit` until dry, then `pollEvent`, then ask `nextTimeout` and call
/// `timeoutFired` when it is due.
///
/// After its end, or when a channel's peer has gone silent, a new introduction is a new `HolePunch`: nothing is carried over
/// but the budgets.
public struct HolePunch: Sendable {
    /// What a gateway has to do.
    public enum Event: Sendable, Equatable {
        /// Open so many sockets for a prediction, bound to any port, then call `opened`.
        case openSockets(count: Int)
        /// This pair is to be used from now on: call the peer over it. Comes again when a better one takes over.
        case use(base: Endpoint, remote: Endpoint)
        /// Over, with a pair in use. Sockets of the prediction that are not its base can be closed.
        case finished
        /// Over without one.
        case failed(Failure)
    }

    /// Why there is no direct way.
    public enum Failure: Sendable, Equatable {
        /// Theory says so, and checks found nothing else.
        case impossible(NATVerdict.Reason, NATVerdict.Remedy)
        /// The port was not guessed in this run.
        case notGuessed
        /// Theory knows no reason. What checks say.
        case notFound(CheckList.Failure)
    }

    /// What all introductions of a gateway share.
    public struct Budget: Sendable {
        /// Of checks.
        public var checks = CheckBudget()
        /// Of predictions.
        public var predictions = PredictionBudget()

        /// Budgets that nothing was taken of.
        public init() {}
    }

    /// What is known of both ends when the introduction begins.
    public struct Situation: Sendable {
        /// Our ways.
        public var ours: Reachability
        /// The peer's, as its blob says.
        public var theirs: Reachability
        /// Our outside endpoint as the matchmaker saw it; nil when we were not seen.
        public var ourObserved: Endpoint?
        /// The peer's.
        public var theirObserved: Endpoint?

        /// A situation with these parts.
        public init(
            ours: Reachability, theirs: Reachability, ourObserved: Endpoint? = nil, theirObserved: Endpoint? = nil
        ) {
            self.ours = ours
            self.theirs = theirs
            self.ourObserved = ourObserved
            self.theirObserved = theirObserved
        }

        /// Whether both are behind one address.
        var isShared: Bool {
            guard let ourObserved, let theirObserved else { return false }
            return ourObserved.hasSameAddress(as: theirObserved)
        }

        /// What theory says: neighbours are thought to reach each other until checks have shown that they do not.
        public var verdict: NATVerdict {
            guard isShared, let shared = ours.v4 else { return NATVerdict(ours: ours, theirs: theirs) }
            return NATVerdict(behind: shared, isApart: false)
        }
    }

    /// The checks.
    public private(set) var list: CheckList
    /// The guessing, when there is some.
    public private(set) var prediction: PortPrediction?
    /// What is known of both ends.
    public private(set) var situation: Situation
    /// What theory says.
    public let verdict: NATVerdict

    private var events: [Event] = []
    private var random: RandomSource
    private var isPredictionAllowed: Bool?
    /// The budget knows that the run is over.
    private var isPredictionReported = false

    /// An introduction to `remote`. Nil when both ids are the same.
    ///
    /// - Parameters:
    ///   - filter: what is never sent to.
    ///   - random: names of checks, the order of guesses.
    public init?(
        local: GatewayID, remote: GatewayID, situation: Situation, filter: CandidateFilter, random: RandomSource,
        now: Instant
    ) {
        var random = random
        let names = RandomSource(seed: random.next())
        guard let list = CheckList(local: local, remote: remote, filter: filter, random: names, now: now) else {
            return nil
        }
        self.list = list
        self.random = random
        self.situation = situation
        verdict = situation.verdict
        expectLittle()
    }

    /// More is known of both ends, or something else. The verdict of the beginning stands; the reason that is told in the end, and
    /// how long is tried, are those of what was known last.
    public mutating func learn(_ situation: Situation) {
        self.situation = situation
        expectLittle()
    }

    /// Tries for a shorter time where theory sees no way, or none but inside the network that both share: neighbours that reach
    /// each other have found that out by then.
    private mutating func expectLittle() {
        switch verdict {
        case .impossible: list.expectNothing()
        case .direct, .byPrediction, .unknown: if whyApart != nil { list.expectNothing() }
        }
    }

    /// Why two behind one address find no way once checks have shown that they do not reach each other inside; nil when there may
    /// be one, and when they are not behind one address.
    private var whyApart: Failure? {
        guard situation.isShared, let shared = situation.ours.v4,
            case .impossible(let reason, let remedy) = NATVerdict(behind: shared, isApart: true)
        else { return nil }
        return .impossible(reason, remedy)
    }

    // MARK: A. State

    /// When `timeoutFired` is due; nil when it is over.
    public var nextTimeout: Instant? {
        guard let next = list.nextTimeout else { return nil }
        return min(next, prediction?.nextTimeout ?? .distantFuture)
    }

    /// The socket beside which those of a prediction are opened; nil when there is none that leads to the peer.
    public var predictionBase: Endpoint? {
        situation.theirObserved.flatMap { target in
            list.bases.first { CandidateFilter.canPair(base: $0.endpoint, endpoint: target) }?.endpoint
        }
    }

    // MARK: B. Input

    /// A check of the peer's; see `CheckList`.
    public mutating func receive(_ check: CheckContent, from source: Endpoint, on base: Endpoint, now: Instant) {
        list.receive(check, from: source, on: base, now: now)
        takeEvents(now: now)
    }

    /// An answer of the peer's; see `CheckList`.
    public mutating func receive(_ checked: CheckedContent, from source: Endpoint, on base: Endpoint, now: Instant) {
        list.receive(checked, from: source, on: base, now: now)
        takeEvents(now: now)
    }

    /// The time that `nextTimeout` named has come.
    public mutating func timeoutFired(now: Instant) {
        list.timeoutFired(now: now)
        takeEvents(now: now)
    }

    // MARK: C. Commands

    /// Adds candidates of ours.
    public mutating func addLocal(_ candidates: [PathCandidate], now: Instant) {
        list.addLocal(candidates, now: now)
        takeEvents(now: now)
    }

    /// Adds candidates of the peer's.
    public mutating func addRemote(_ candidates: [PathCandidate], now: Instant) {
        list.addRemote(candidates, now: now)
        takeEvents(now: now)
    }

    /// All candidates of both are known.
    public mutating func candidatesAreComplete(now: Instant) {
        list.localIsComplete(now: now)
        list.remoteIsComplete(now: now)
        takeEvents(now: now)
    }

    /// The sockets of a prediction are open, at these addresses of ours.
    public mutating func opened(sockets: [Endpoint]) { prediction?.opened(sockets: sockets) }

    // MARK: D. Output

    /// The next message to send now; nil when none is due.
    public mutating func pollTransmit(budget: inout Budget, now: Instant) -> CheckTransmit? {
        if let transmit = list.pollTransmit(budget: &budget.checks, now: now) { return transmit }
        if let prediction, prediction.isOver, !isPredictionReported {
            isPredictionReported = true
            budget.predictions.end(towards: prediction.target)
        }
        guard !list.isOver else { return nil }
        beginPrediction(budget: &budget.predictions, now: now)
        guard let probe = prediction?.pollProbe(now: now) else { return nil }
        let check = CheckContent(
            transaction: TransactionID(random: &random),
            priority: CandidatePriority.of(.peerReflexive, localPreference: 0), isNominated: false)
        return CheckTransmit(base: probe.base, destination: probe.destination, message: .check(check))
    }

    /// The next event.
    public mutating func pollEvent() -> Event? { events.isEmpty ? nil : events.removeFirst() }

    // MARK: Prediction

    /// Begins the run that theory asks for, once, when there is an address that a matchmaker saw and the budget allows.
    private mutating func beginPrediction(budget: inout PredictionBudget, now: Instant) {
        guard isPredictionAllowed == nil, case .byPrediction(let wanted) = verdict,
            let target = situation.theirObserved,
            case .allowed = list.filter.judge(target),
            let base = predictionBase
        else { return }
        let isAllowed = budget.begin(towards: target, now: now)
        isPredictionAllowed = isAllowed
        guard isAllowed else { return }
        let run = PortPrediction(
            prediction: wanted, target: target, base: base, random: RandomSource(seed: random.next()), now: now
        )
        if run.wantedSocketCount > 0 { events.append(.openSockets(count: run.wantedSocketCount)) }
        prediction = run
        list.expectGuesses()
    }

    // MARK: Events

    private mutating func takeEvents(now: Instant) {
        while let event = list.pollEvent() {
            switch event {
            case .valid: prediction?.stop()
            case .nominated(let pair):
                events.append(.use(base: list.pairs[pair].base, remote: list.pairs[pair].remote.endpoint))
            case .finished: events.append(.finished)
            case .failed(let failure):
                prediction?.stop()
                events.append(.failed(reason(for: failure)))
            }
        }
    }

    /// What to say: theory's reason where it has one, because it tells what to do.
    private func reason(for failure: CheckList.Failure) -> Failure {
        switch verdict {
        case .impossible(let reason, let remedy): return .impossible(reason, remedy)
        case .byPrediction: return prediction == nil ? .notFound(failure) : .notGuessed
        case .direct, .unknown: break
        }
        return whyApart ?? .notFound(failure)
    }
}

extension HolePunch.Failure: CustomStringConvertible {
    /// For `explain`, logs and errors.
    public var description: String {
        switch self {
        case .impossible(let reason, let remedy): "\(reason); to change that, \(remedy)"
        case .notGuessed: "the outside port was not guessed this time"
        case .notFound(let failure): "\(failure)"
        }
    }
}
