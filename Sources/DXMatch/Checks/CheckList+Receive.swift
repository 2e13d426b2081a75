public import DXWire

extension CheckList {
    // MARK: B. Input

    /// A check of the peer's came from `source` to our socket at `base`; that it is the peer's was proved.
    ///
    /// It is answered, and calls for a check of ours the same way (RFC 8445 §7.3.1.4).
    public mutating func receive(_ check: CheckContent, from source: Endpoint, on base: Endpoint, now: Instant) {
        if case .refused = filter.judge(source) {
            droppedCount += 1
            return
        }
        answerTimes.removeAll { now - $0 >= .seconds(1) }
        guard answerTimes.count < Self.answerLimit else {
            droppedCount += 1
            return
        }
        answerTimes.append(now)
        let answer = CheckedContent(transaction: check.transaction, observed: source)
        answers.append(CheckTransmit(base: base, destination: source, message: .checked(answer)))
        guard !isOver, let index = pairForCheck(check, from: source, on: base, now: now) else { return }
        pairs[index].heardCount += 1
        pairs[index].heardAt = pairs[index].heardAt ?? now
        if check.isNominated && !isControlling { pairs[index].isNominatedByPeer = true }
        onHeard(index, now: now)
    }

    /// An answer came from `source` to our socket at `base`; that it is the peer's was proved.
    public mutating func receive(_ checked: CheckedContent, from source: Endpoint, on base: Endpoint, now: Instant) {
        // From elsewhere than was sent to is no answer (RFC 8445 §7.2.5.2.1): that way does not work in both directions.
        guard !isOver, let index = index(base: base, remote: source),
            let place = pairs[index].transactions.firstIndex(where: { $0.id == checked.transaction })
        else {
            droppedCount += 1
            return
        }
        let transaction = pairs[index].transactions.remove(at: place)
        pairs[index].roundTrip = now - transaction.sentAt
        pairs[index].answeredAt = pairs[index].answeredAt ?? now
        pairs[index].observed = checked.observed
        switch pairs[index].state {
        case .waiting, .inProgress, .ended(.unanswered):
            pairs[index].state = .answered
            pairs[index].due = nil
            validateIfBothWays(index, now: now)
        case .answered, .valid, .ended(.superseded), .ended(.listEnded), .ended(.dropped): break
        }
        if transaction.isNominated && isControlling { select(index) }
    }

    /// The time that `nextTimeout` named has come: the list's end, or that of pairs. What is to be sent comes by
    /// `pollTransmit`.
    public mutating func timeoutFired(now: Instant) {
        guard !isOver else { return }
        for index in pairs.indices {
            guard let due = pairs[index].due, due <= now, !pairs[index].mayCheck else { continue }
            if index == nominating { nominating = nil }
            if pairs[index].hasAnswered { pairs[index].due = nil } else { pairs[index].end(.unanswered) }
        }
        if now >= endsAt { finish() } else { endIfHopeless(now: now) }
    }

    // MARK: What follows

    private mutating func onHeard(_ index: Int, now: Instant) {
        switch pairs[index].state {
        case .waiting, .inProgress, .ended(.unanswered), .ended(.dropped): trigger(index, now: now)
        case .ended(.superseded):
            // Whoever controls may see another order than we do; what it chooses is checked.
            if pairs[index].isNominatedByPeer && !pairs[index].wasSelected { trigger(index, now: now) }
        case .answered: validateIfBothWays(index, now: now)
        case .valid: if pairs[index].isNominatedByPeer { select(index) }
        case .ended(.listEnded): break
        }
    }

    /// A check is due at once, in the way that the peer was heard on.
    private mutating func trigger(_ index: Int, now: Instant) {
        guard pairs[index].mayCheck else { return }
        pairs[index].state = pairs[index].sentCount == 0 ? .waiting : .inProgress
        if pairs[index].heardCount == 1 { pairs[index].step = 0 }
        pairs[index].isTriggered = true
        pairs[index].due = now
    }

    private mutating func validateIfBothWays(_ index: Int, now: Instant) {
        guard pairs[index].state == .answered, pairs[index].heardCount > 0 else { return }
        pairs[index].state = .valid
        events.append(.valid(pair: index))
        if isControlling {
            nominateIfBetter(index, now: now)
        } else if pairs[index].isNominatedByPeer {
            select(index)
        }
    }

    private mutating func nominateIfBetter(_ index: Int, now: Instant) {
        func isWorse(_ other: Int?) -> Bool { other.map { pairs[$0].priority < pairs[index].priority } ?? true }
        guard isWorse(selected), isWorse(nominating) else { return }
        if let nominating { pairs[nominating].due = nil }
        nominating = index
        pairs[index].isTriggered = true
        pairs[index].step = 0
        pairs[index].due = now
    }

    /// The pair is in use from now on; those that are no better are tried no more.
    private mutating func select(_ index: Int) {
        // A pair is chosen once: what repeats an old choice was late.
        guard selected != index, !pairs[index].wasSelected else { return }
        selected = index
        pairs[index].wasSelected = true
        pairs[index].due = nil
        if nominating == index { nominating = nil }
        events.append(.nominated(pair: index))
        for other in pairs.indices where other != index && pairs[other].priority <= pairs[index].priority {
            switch pairs[other].state {
            case .waiting, .inProgress, .answered: pairs[other].end(.superseded)
            case .valid, .ended: break
            }
        }
    }
}
