import DXMatch
import DXSecure
import DXWire

/// Members that were heard of without a matchmaker.
extension MatchAgent {
    /// A member may be at an address; whoever says so is not believed, but the address is tried within the budgets of checks.
    ///
    /// - Parameter base: from which address of ours, where it is none of the usual.
    func meet(_ peer: GatewayID, at endpoint: Endpoint, from base: Endpoint?, reason: String, now: Instant) {
        guard host.isSearched(peer), let secret = secret(with: peer) else { return }
        if links.isEmpty { gather(now: now) }
        let priority = CandidatePriority.of(.host, localPreference: .max)
        var ours = candidates
        if let base { ours.insert(PathCandidate(kind: .host, endpoint: base, base: base, priority: priority), at: 0) }
        punches.begin(
            with: peer, secret, situation: HolePunch.Situation(ours: reachability, theirs: Reachability()),
            filter: filter(towards: endpoint), ours: ours,
            theirs: [PathCandidate(kind: .host, endpoint: endpoint, priority: priority)], isComplete: false,
            reason: reason, now: now)
        pump(now: now)
    }

    /// What this gateway tells of itself through others.
    func ownContent(now: Instant) -> BlobContent {
        if links.isEmpty { gather(now: now) }
        return BlobContent(
            gatewayID: identity.gatewayID, revision: revision, behaviourV4: behaviour[.v4] ?? .unknown,
            behaviourV6: behaviour[.v6] ?? .unknown, candidates: candidates.map(Candidate.init))
    }

    /// A member was introduced by another one, which sees it at `observed`, if that is to be believed: tried like all else.
    func meet(_ peer: GatewayID, _ content: BlobContent, observed: Endpoint?, reason: String, now: Instant) {
        guard let secret = secret(with: peer) else { return }
        if links.isEmpty { gather(now: now) }
        var theirs = content.candidates.compactMap(PathCandidate.init)
        if let observed, !theirs.contains(where: { $0.endpoint == observed }) {
            theirs.append(
                PathCandidate(
                    kind: .serverReflexive, endpoint: observed,
                    priority: CandidatePriority.of(.serverReflexive, localPreference: 0)))
        }
        // No port is guessed at an address that a member named.
        punches.begin(
            with: peer, secret,
            situation: HolePunch.Situation(ours: reachability, theirs: content.reachability),
            filter: filter(towards: host.allowsLoopback ? observed : nil), ours: candidates, theirs: theirs,
            isComplete: true, reason: reason, now: now)
        pump(now: now)
    }
}
