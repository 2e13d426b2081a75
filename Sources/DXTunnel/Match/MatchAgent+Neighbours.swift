import DXMatch
import DXSecure
import DXWire

/// Members that were heard of without a matchmaker.
extension MatchAgent {
    /// A member may be at an address; whoever says so is not believed, but the address is tried within the budgets of checks.
    ///
    /// - Parameter base: from which address of ours, where it is none of the usual.
    func meet(_ peer: GatewayID, at endpoint: Endpoint, from base: Endpoint?, reason: String, now: Instant) {
        guard let link = core.peersByID[peer], !link.isHeard, let secret = secret(with: peer) else { return }
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
}
