import DXMatch
import DXSecure
import DXWire

/// Runs introductions: carries what `HolePunch` says to sockets and back (`docs/matchmaking.md` §7). Bound to an event loop.
///
/// A check of a member that nobody introduced starts a run, too: the notice may have been lost, and the member's checks are as good.
/// At the limit of runs the one that ended first is forgotten; when all go on, a new one is refused and comes again.
final class PunchDriver {
    private unowned let host: any PunchHost
    private var random: RandomSource
    /// Of all introductions together, so that no member can have this gateway send to somebody else.
    private var budget = HolePunch.Budget()
    /// By peer, the last one of each.
    private(set) var runs: [GatewayID: PunchRun] = [:]
    /// What was dropped: for nobody, or by a wrong code.
    private(set) var droppedCount: UInt64 = 0
    private var secrets: [GatewayID: PairSecret] = [:]

    /// Runs kept, those that are over too.
    static let mostRuns = 512
    /// Runs that go on at a time: each sends at most 60 kbit/s.
    static let mostLive = 128
    /// A session over a way that was found is there by then.
    private static let settleTime = Interval.seconds(3)
    /// Each took 0.1 ms to make.
    private static let mostSecrets = 1_024

    /// A driver without runs.
    init(_ host: any PunchHost, random: RandomSource) {
        self.host = host
        self.random = random
    }

    // MARK: State

    /// When `timeoutFired` is due.
    var nextTimeout: Instant? { runs.values.compactMap { $0.isLive ? $0.punch.nextTimeout : nil }.min() }

    /// Whether an introduction to a peer goes on and has found no way yet.
    func isSearching(_ peer: GatewayID) -> Bool {
        runs[peer].map { $0.isLive && $0.punch.list.selected == nil } ?? false
    }

    /// The key of checks with a peer; nil when its key is no point of the curve.
    func secret(with peer: GatewayID, _ identity: Identity, key: PublicKey) -> PairSecret? {
        if let known = secrets[peer] { return known }
        guard let secret = PairSecret(identity, key) else { return nil }
        if secrets.count >= Self.mostSecrets { secrets.removeAll() }
        secrets[peer] = secret
        return secret
    }

    // MARK: Commands

    /// An introduction: of one that goes on, what is told adds to what is known.
    func begin(
        with peer: GatewayID, _ secret: PairSecret, under veil: VeilNumber? = nil, situation: HolePunch.Situation,
        filter: CandidateFilter, ours: [PathCandidate], theirs: [PathCandidate], isComplete: Bool, reason: String,
        introducer: String? = nil, now: Instant
    ) {
        if isNew(peer, situation, isComplete: isComplete, now: now) {
            guard makeRoom() else { return }
            let punch = HolePunch(
                local: host.ownID, remote: peer, situation: situation, filter: filter,
                random: RandomSource(seed: random.next()), now: now)
            guard let punch else { return }
            let old = runs[peer]
            if let old { host.closeSockets(old.sockets) }
            runs[peer] = PunchRun(punch: punch, secret: secret, veil: veil, startedAt: now)
            runs[peer]?.inherit(old, now: now)
        } else if isComplete {
            runs[peer]?.punch.learn(situation)
        }
        if let veil, runs[peer]?.veil == nil { runs[peer]?.veil = veil }
        runs[peer]?.note(reason, by: introducer, now: now)
        runs[peer]?.punch.addLocal(ours, now: now)
        runs[peer]?.punch.addRemote(theirs, now: now)
        if isComplete { runs[peer]?.punch.candidatesAreComplete(now: now) }
        runs[peer]?.takeInherited(now: now)
        pump(peer, now: now)
    }

    /// Whether what is told begins another run: there is none; it is over; it found a way and the peer is to be reached all the
    /// same, or either end is seen elsewhere by now (else it is the other end's half of the same introduction); or it knew too
    /// little of the NATs, and now theory has an answer.
    private func isNew(
        _ peer: GatewayID, _ situation: HolePunch.Situation, isComplete: Bool, now: Instant
    ) -> Bool {
        guard let run = runs[peer], run.isLive else { return true }
        guard isComplete else { return false }
        guard run.punch.list.selected == nil else {
            let known = run.punch.situation
            return known.theirObserved != situation.theirObserved || known.ourObserved != situation.ourObserved
                || run.startedAt + Self.settleTime < now
        }
        switch (run.punch.verdict, situation.verdict) {
        case (.unknown, .byPrediction), (.unknown, .impossible): return true
        default: return false
        }
    }

    /// The channel to a peer has ended: the way that was found for it is no way any more.
    func channelEnded(with peer: GatewayID, now: Instant) {
        guard let run = runs[peer], run.isLive, run.punch.list.selected != nil else { return }
        end(peer, nil, now: now)
    }

    /// A member is none any more.
    func forget(_ peer: GatewayID) {
        secrets[peer] = nil
        if let run = runs.removeValue(forKey: peer) { host.closeSockets(run.sockets) }
    }

    /// Takes an opened message of types 4 and 5.
    ///
    /// - Parameter beginRun: makes a run with a member that there is none with, from what else is known; the secret of the check's
    ///   sender, or nil for a stranger.
    func receive(
        _ check: VeiledCheck, from source: Endpoint, at base: Endpoint, now: Instant,
        secretOf: (GatewayID) -> PairSecret?, beginRun: (GatewayID, PairSecret) -> Void
    ) {
        let message = unsafe check.message.span.bytes
        guard let received = try? CheckCodec.decode(message) else {
            droppedCount &+= 1
            return
        }
        switch received {
        case .check(let content, let sender):
            guard let secret = runs[sender]?.secret ?? secretOf(sender), Self.isGenuine(message, secret) else {
                droppedCount &+= 1
                return
            }
            // One that is over finds nothing any more, and the peer, once answered, does not repeat itself.
            if !(runs[sender]?.isLive ?? false), runs[sender] == nil || host.isSearched(sender) {
                beginRun(sender, secret)
            }
            // It may know an older secret of the group's only: what it does not know it could not read.
            runs[sender]?.veil = check.veil
            runs[sender]?.receive(content, from: source, on: base, now: now)
            pump(sender, now: now)
        case .checked(let content):
            let peer = runs.first { run in
                run.value.isLive && run.value.punch.list.awaits(content.transaction, from: source, on: base)
            }?.key
            guard let peer, let secret = runs[peer]?.secret, Self.isGenuine(message, secret) else {
                droppedCount &+= 1
                return
            }
            runs[peer]?.punch.receive(content, from: source, on: base, now: now)
            pump(peer, now: now)
        }
    }

    /// Does what is due.
    func timeoutFired(now: Instant) {
        for (peer, run) in runs where run.isLive && (run.punch.nextTimeout.map { $0 <= now } ?? true) {
            runs[peer]?.punch.timeoutFired(now: now)
            pump(peer, now: now)
        }
    }

    // MARK: Sending

    /// Sends what a run has to send and handles what it says.
    private func pump(_ peer: GatewayID, now: Instant) {
        var isBusy = true
        while isBusy {
            isBusy = false
            while let transmit = runs[peer]?.punch.pollTransmit(budget: &budget, now: now) { send(transmit, to: peer) }
            while let event = runs[peer]?.punch.pollEvent() {
                isBusy = true
                handle(event, of: peer, now: now)
            }
        }
        if let run = runs[peer], run.isLive, let next = run.punch.nextTimeout { host.noteDeadline(next) }
    }

    private func send(_ transmit: CheckTransmit, to peer: GatewayID) {
        guard let run = runs[peer] else { return }
        let message = CheckCodec.encode(transmit.message, sender: host.ownID) { Self.code(of: $0, run.secret) }
        guard let datagram = unsafe host.seal(message.span.bytes, to: peer, under: run.veil) else { return }
        host.send(unsafe datagram.span.bytes, to: transmit.destination, from: transmit.base)
    }

    private func handle(_ event: HolePunch.Event, of peer: GatewayID, now: Instant) {
        switch event {
        case .openSockets(let count):
            guard let base = runs[peer]?.punch.predictionBase else { return }
            let sockets = host.openSockets(count, beside: base)
            runs[peer]?.sockets = sockets
            runs[peer]?.punch.opened(sockets: sockets)
        case .use(let base, let remote):
            let priority = runs[peer]?.punch.list.selectedPair?.priority ?? 0
            host.onWay(to: peer, from: base, to: remote, priority: priority)
        case .finished: end(peer, nil, now: now)
        case .failed(let failure): end(peer, failure, now: now)
        }
    }

    private func end(_ peer: GatewayID, _ failure: HolePunch.Failure?, now: Instant) {
        runs[peer]?.failure = failure
        runs[peer]?.endedAt = now
        host.closeSockets(runs[peer]?.sockets ?? [])
        runs[peer]?.sockets = []
        host.onPunchEnded(with: peer, failure.map { "\($0)" })
    }

    private func makeRoom() -> Bool {
        if runs.count >= Self.mostRuns {
            let oldest = runs.filter { !$0.value.isLive }.min { left, right in
                (left.value.endedAt ?? .distantFuture) < (right.value.endedAt ?? .distantFuture)
            }
            guard let oldest else { return false }
            runs[oldest.key] = nil
        }
        return runs.values.count { $0.isLive } < Self.mostLive
    }

    // MARK: Codes

    private static func code(of message: RawSpan, _ secret: PairSecret) -> CheckCode {
        let code = secret.checkCode(over: message)
        var reader = unsafe ByteReader(code.span.bytes)
        guard let code = try? CheckCode(reading: &reader) else { preconditionFailure("a code has 16 bytes") }
        return code
    }

    private static func isGenuine(_ message: RawSpan, _ secret: PairSecret) -> Bool {
        CheckCodec.isGenuine(message) { code(of: $0, secret) }
    }
}

@available(*, unavailable)
extension PunchDriver: Sendable {}
