import DXMatch
import DXWire

extension PeerExplanation.Introduction {
    /// The record of an introduction that runs, or ran.
    ///
    /// - Parameters:
    ///   - ours: what is known of this end by now: soon after the start it is more than when the introduction began.
    ///   - theirs: the same of the peer's; nil where nothing is.
    init(_ run: PunchRun, ours: Reachability, theirs: Reachability?, now: Instant, calendar: Timestamp) {
        let punch = run.punch
        let list = punch.list
        func since(_ instant: Instant) -> Int { Int((instant - run.startedAt).milliseconds) }
        let age = (now - run.startedAt).milliseconds
        var situation = punch.situation
        situation.ours.fill(from: ours)
        if let theirs { situation.theirs.fill(from: theirs) }
        let used = list.selectedPair.flatMap { pair in [pair.heardAt, pair.answeredAt].compactMap { $0 }.max() }
        self.init(
            started: Timestamp(unixMilliseconds: calendar.unixMilliseconds - age),
            tookMilliseconds: since(used ?? run.endedAt ?? now),
            outcome: list.selected != nil ? .found : run.isLive ? .running : .failed,
            failure: run.failure.map(Self.words), matchmaker: run.introducer,
            notes: run.notes.map { PeerExplanation.Note(milliseconds: since($0.at), what: $0.what) },
            ours: PeerExplanation.Side(situation.ours, situation.ourObserved),
            theirs: PeerExplanation.Side(situation.theirs, situation.theirObserved),
            theory: Self.theory(punch.verdict, now: situation.verdict),
            prediction: punch.prediction.map(PeerExplanation.Prediction.init),
            pairs: list.pairs.sorted { $0.priority > $1.priority }.map { PeerExplanation.Pair($0, since) },
            refused: list.refusals.map { candidate, reason in
                PeerExplanation.Refusal(
                    address: "\(candidate.endpoint)", kind: "\(candidate.kind)", reason: "\(reason)")
            })
    }
}

extension PeerExplanation.Introduction {
    /// Why it found nothing, without what would help, which stands for itself.
    private static func words(_ failure: HolePunch.Failure) -> String {
        if case .impossible(let reason, _) = failure { return "\(reason)" }
        return "\(failure)"
    }

    /// What could be expected, in words; where too little was known then, what can be expected now.
    private static func theory(_ verdict: NATVerdict, now: NATVerdict) -> String {
        switch verdict {
        case .impossible(let reason, _): "no direct way: \(reason)"
        case .direct, .byPrediction: "\(verdict)"
        case .unknown: now == .unknown ? "\(verdict)" : theory(now, now: .unknown)
        }
    }
}

extension Reachability {
    /// Takes what is known elsewhere of what is not known here.
    fileprivate mutating func fill(from other: Reachability) {
        func better(_ mine: NATBehaviour?, _ theirs: NATBehaviour?) -> NATBehaviour? {
            guard let mine, mine.transport != .unknown else { return theirs ?? mine }
            return mine
        }
        v4 = better(v4, other.v4)
        v6 = better(v6, other.v6)
    }
}

extension PeerExplanation.Side {
    init(_ ways: Reachability, _ observed: Endpoint?) {
        self.init(
            observed: observed?.description, ipv4: ways.v4.map(NATReport.init), ipv6: ways.v6.map(NATReport.init),
            hasMappedPort: ways.hasMappedPort)
    }
}

extension PeerExplanation.Prediction {
    init(_ run: PortPrediction) {
        let method =
            switch run.prediction.method {
            case .sequential: "sequential"
            case .birthday: "birthday"
            }
        self.init(isOurs: run.prediction.isOurs, method: method, sent: run.sentCount)
    }
}

extension PeerExplanation.Pair {
    /// The record of a pair; `since` gives the milliseconds from the introduction's beginning on.
    init(_ pair: CheckPair, _ since: (Instant) -> Int) {
        self.init(
            local: "\(pair.base)", remote: "\(pair.remote.endpoint)", kind: "\(pair.remote.kind)", sent: pair.sentCount,
            heldBack: pair.deferredCount, heard: pair.heardCount, firstSentMilliseconds: pair.firstSentAt.map(since),
            heardMilliseconds: pair.heardAt.map(since), answeredMilliseconds: pair.answeredAt.map(since),
            rttMicroseconds: pair.roundTrip.map { UInt64(max(0, $0.microseconds)) },
            observed: pair.observed?.description, wasUsed: pair.wasSelected, result: "\(pair.state)")
    }
}
