import DXMatch
import DXWire

extension PeerExplanation.Introduction {
    /// The record of an introduction that runs, or ran.
    init(_ run: PunchRun, now: Instant, calendar: Timestamp) {
        let punch = run.punch
        let list = punch.list
        func since(_ instant: Instant) -> Int { Int((instant - run.startedAt).milliseconds) }
        let age = (now - run.startedAt).milliseconds
        self.init(
            started: Timestamp(unixMilliseconds: calendar.unixMilliseconds - age),
            tookMilliseconds: since(run.endedAt ?? now),
            outcome: list.selected != nil ? .found : run.isLive ? .running : .failed,
            failure: run.failure.map { "\($0)" }, matchmaker: run.introducer,
            notes: run.notes.map { PeerExplanation.Note(milliseconds: since($0.at), what: $0.what) },
            ours: PeerExplanation.Side(punch.situation.ours, punch.situation.ourObserved),
            theirs: PeerExplanation.Side(punch.situation.theirs, punch.situation.theirObserved),
            theory: "\(punch.verdict)", prediction: punch.prediction.map(PeerExplanation.Prediction.init),
            pairs: list.pairs.sorted { $0.priority > $1.priority }.map { PeerExplanation.Pair($0, since) },
            refused: list.refusals.map { candidate, reason in
                PeerExplanation.Refusal(
                    address: "\(candidate.endpoint)", kind: "\(candidate.kind)", reason: "\(reason)")
            })
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
