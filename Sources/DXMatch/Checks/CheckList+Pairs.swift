internal import DXWire

extension CheckList {
    /// Checks may leave from `base`; from 16 at most.
    mutating func addBase(_ base: Endpoint, priority: UInt32, now: Instant) {
        if let index = bases.firstIndex(where: { $0.endpoint == base }) {
            bases[index].priority = max(bases[index].priority, priority)
            return
        }
        guard bases.count(where: { !$0.isLearned }) < CandidateSet.limit else { return }
        bases.append(Base(endpoint: base, priority: priority, isLearned: false))
        for candidate in remotes.candidates {
            add(base: base, basePriority: priority, remote: candidate, now: now)
        }
    }

    /// Tries a candidate of the peer's from every base; one that is known gets its new worth.
    mutating func pairUp(_ candidate: PathCandidate, now: Instant) {
        for base in bases where !base.isLearned {
            if let index = index(base: base.endpoint, remote: candidate.endpoint) {
                pairs[index].remote = candidate
                pairs[index].priority = pairPriority(base: base.priority, remote: candidate.priority)
            } else {
                add(base: base.endpoint, basePriority: base.priority, remote: candidate, now: now)
            }
        }
    }

    /// The pair of these two; indices are few, so a search will do.
    func index(base: Endpoint, remote: Endpoint) -> Int? {
        pairs.firstIndex { $0.base == base && $0.remote.endpoint == remote }
    }

    func pairPriority(base: UInt32, remote: UInt32) -> UInt64 {
        isControlling
            ? CandidatePriority.pair(controlling: base, controlled: remote)
            : CandidatePriority.pair(controlling: remote, controlled: base)
    }

    /// Makes a pair if the two fit together and there is room; its index.
    @discardableResult
    mutating func add(base: Endpoint, basePriority: UInt32, remote: PathCandidate, now: Instant) -> Int? {
        guard !isOver, pairs.count < Self.pairLimit, CandidateFilter.canPair(base: base, endpoint: remote.endpoint)
        else { return nil }
        let isReluctant = filter.judge(remote.endpoint) == .reluctant
        var pair = CheckPair(
            base: base, remote: remote, priority: pairPriority(base: basePriority, remote: remote.priority),
            isReluctant: isReluctant, now: now)
        if let selected, pairs[selected].priority >= pair.priority { pair.end(.superseded) }
        pairs.append(pair)
        return pairs.count - 1
    }

    /// A candidate had to go: it is tried no more, unless the peer was heard there.
    mutating func letGo(_ candidate: PathCandidate) {
        for index in pairs.indices where pairs[index].remote.endpoint == candidate.endpoint {
            if pairs[index].heardCount == 0, !pairs[index].hasAnswered, pairs[index].isAlive {
                pairs[index].end(.dropped)
            }
        }
        refuse(candidate, .tooMany)
    }

    mutating func refuse(_ candidate: PathCandidate, _ reason: CandidateFilter.Reason) {
        // Enough for explain; an introduction may name more.
        if refusals.count < 2 * CandidateSet.limit { refusals.append((candidate, reason)) }
    }

    /// The pair for a check that came from `source` to `base`: the known one, or a new one with a peer-reflexive candidate
    /// (RFC 8445 §7.3.1.3). Nil when there is no room for it.
    mutating func pairForCheck(_ check: CheckContent, from source: Endpoint, on base: Endpoint, now: Instant) -> Int? {
        if let index = index(base: base, remote: source) { return index }
        guard !isOver else { return nil }
        if !bases.contains(where: { $0.endpoint == base }) {
            guard bases.count(where: \.isLearned) < Self.learnedLimit else { return nil }
            let priority = CandidatePriority.of(.peerReflexive, localPreference: 0)
            bases.append(Base(endpoint: base, priority: priority, isLearned: true))
        }
        guard let priority = bases.first(where: { $0.endpoint == base })?.priority else { return nil }
        let known = remotes.candidates.first { $0.endpoint == source }
        if known == nil {
            guard peerReflexiveCount < Self.learnedLimit else { return nil }
            peerReflexiveCount += 1
        }
        let remote = known ?? PathCandidate(kind: .peerReflexive, endpoint: source, priority: check.priority)
        if pairs.count == Self.pairLimit { makeRoom() }
        return add(base: base, basePriority: priority, remote: remote, now: now)
    }

    /// A way that the peer was heard on is worth more than the worst one that was never tried. That one's place is free to be
    /// taken only when it is the last: indices of others must not change.
    private mutating func makeRoom() {
        if let last = pairs.last, last.state == .waiting { pairs.removeLast() }
    }

    // MARK: The end

    /// Ends the list when it is known that nothing can come any more.
    mutating func endIfHopeless(now: Instant) {
        guard isHopeless else { return }
        if bases.isEmpty { return fail(.noLocalCandidate) }
        // Without a pair: nobody could hear anybody, unless an address that we know nothing of may still be heard.
        let ours = Set(bases.map(\.endpoint.family))
        let theirs = Set((remotes.candidates + refusals.map(\.candidate)).map(\.endpoint.family))
        if !theirs.isEmpty, ours.isDisjoint(with: theirs) { return fail(.noCommonFamily) }
        if now >= startedAt + Self.shortLifetime { fail(reasonOfFailure) }
    }

    /// Whether nothing is left that could be tried, and nothing more will be named.
    var isHopeless: Bool {
        !isOver && !isGuessed && selected == nil && isLocalComplete && isRemoteComplete
            && !pairs.contains(where: \.isAlive)
    }

    /// The list's time is over.
    mutating func finish() {
        guard !isOver else { return }
        guard selected != nil else { return fail(reasonOfFailure) }
        end()
        events.append(.finished)
    }

    private mutating func fail(_ failure: Failure) {
        end()
        events.append(.failed(failure))
    }

    private mutating func end() {
        isOver = true
        nominating = nil
        for index in pairs.indices where index != selected && pairs[index].isAlive && pairs[index].state != .valid {
            pairs[index].end(.listEnded)
        }
        for index in pairs.indices { pairs[index].due = nil }
    }

    private var reasonOfFailure: Failure {
        if bases.isEmpty { return .noLocalCandidate }
        let isHeard = pairs.contains { $0.heardCount > 0 }
        let isAnswered = pairs.contains(where: \.hasAnswered)
        if isAnswered && !isHeard { return .unheard }
        if isHeard { return .unanswered }
        return pairs.isEmpty ? .noRemoteCandidate : .silence
    }
}
