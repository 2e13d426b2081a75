public import DXWire

extension CheckList {
    /// The next message to send now; nil when none is due. Answers go at once, checks at the list's pace.
    ///
    /// - Parameter budget: what all lists of the gateway share.
    public mutating func pollTransmit(budget: inout CheckBudget, now: Instant) -> CheckTransmit? {
        if !answers.isEmpty { return answers.removeFirst() }
        guard !isOver, now >= nextCheckAt, now < endsAt else { return nil }
        // Each turn sends, or moves one pair's time ahead of now.
        while let index = nextPair(now: now) {
            if !pairs[index].hasAnswered {
                let admission = budget.take(
                    for: pairs[index].remote.endpoint, isTriggered: pairs[index].isTriggered, now: now)
                if case .later(let time) = admission {
                    pairs[index].due = time
                    pairs[index].deferredCount += 1
                    continue
                }
            }
            return send(index, now: now)
        }
        return nil
    }

    /// The pair whose turn it is: what the peer called for; then, by turns, first checks by their worth and repetitions by
    /// their time.
    private mutating func nextPair(now: Instant) -> Int? {
        var triggered: Int?
        var first: Int?
        var repetition: Int?
        var betterDue: Instant?
        for (index, pair) in pairs.enumerated() {
            guard let due = pair.due, pair.mayCheck else { continue }
            let isFirst = pair.sentCount == 0
            if isFirst && !pair.isReluctant { betterDue = min(betterDue ?? due, due) }
            guard due <= now else { continue }
            if pair.isTriggered {
                if triggered.map({ pairs[$0].priority < pair.priority }) ?? true { triggered = index }
            } else if isFirst {
                if first.map({ Self.isBefore(pair, pairs[$0]) }) ?? true { first = index }
            } else if repetition.map({ due < pairs[$0].due ?? .distantFuture }) ?? true {
                repetition = index
            }
        }
        if let triggered { return triggered }
        // Reluctant ones wait until all others had their first check, which the budget may have put off.
        if let candidate = first, pairs[candidate].isReluctant, let betterDue {
            first = nil
            for index in pairs.indices where pairs[index].isReluctant && pairs[index].sentCount == 0 {
                guard !pairs[index].isTriggered else { continue }
                pairs[index].due = pairs[index].due.map { max($0, betterDue) }
            }
        }
        defer { isRepetitionNext.toggle() }
        return isRepetitionNext ? repetition ?? first : first ?? repetition
    }

    private static func isBefore(_ left: CheckPair, _ right: CheckPair) -> Bool {
        left.isReluctant == right.isReluctant ? left.priority > right.priority : !left.isReluctant
    }

    private mutating func send(_ index: Int, now: Instant) -> CheckTransmit {
        let isNominated = index == nominating
        let base = bases.first { $0.endpoint == pairs[index].base }?.priority ?? 1
        let check = CheckContent(
            transaction: TransactionID(random: &random), priority: Self.reflexivePriority(ofBase: base),
            isNominated: isNominated)
        pairs[index].sentCount += 1
        pairs[index].firstSentAt = pairs[index].firstSentAt ?? now
        if pairs[index].state == .waiting { pairs[index].state = .inProgress }
        pairs[index].isTriggered = false
        pairs[index].due = now + pairs[index].pause
        pairs[index].step += 1
        if pairs[index].transactions.count == CheckPair.checkLimit { pairs[index].transactions.removeFirst() }
        pairs[index].transactions.append((check.transaction, now, isNominated))
        nextCheckAt = now + Self.pacing
        return CheckTransmit(
            base: pairs[index].base, destination: pairs[index].remote.endpoint, message: .check(check))
    }

    /// What the base is worth if the peer sees another address than it was told (RFC 8445 §7.1.1): the peer-reflexive type with
    /// the base's own local preference.
    static func reflexivePriority(ofBase priority: UInt32) -> UInt32 {
        UInt32(CandidatePriority.typePreference(of: .peerReflexive)) &<< 24 | priority & 0xff_ffff
    }
}
