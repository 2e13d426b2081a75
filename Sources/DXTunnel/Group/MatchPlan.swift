import DXSecure

/// What a gateway is to do at its group's matchmakers (`docs/matchmaking.md` §6): a value that is another one whenever there is
/// something else to do.
struct MatchPlan: Equatable, Sendable {
    /// The key by which matchmakers know the group; nil when it uses none.
    var key: MatchKey?
    /// Where to register, at most `MatchServersRecord.most`.
    var servers: [Matchmaker] = []
    /// The epochs in use, of which group tags come, the newest last.
    var epochs: [EpochSecret] = []
}

extension GroupAgent {
    /// What there is to do now.
    var matchPlan: MatchPlan {
        guard view.matchKey != nil, !view.matchServers.isEmpty else { return MatchPlan() }
        return MatchPlan(key: view.matchKey, servers: view.matchServers, epochs: epochsInUse)
    }

    /// Tells the gateway when there is something else to do than before.
    func noteMatchPlan() {
        let plan = matchPlan
        guard plan != toldMatchPlan else { return }
        toldMatchPlan = plan
        core.matchPolicyChanged()
    }
}
