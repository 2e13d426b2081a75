import DXSecure
import DXWire

/// What a gateway is to do at its group's matchmakers (`docs/matchmaking.md` §6): a value that is another one whenever there is
/// something else to do.
struct MatchPlan: Equatable, Sendable {
    /// The key by which matchmakers know the group; nil when it uses none.
    var key: MatchKey?
    /// Where to register, at most `MatchServersRecord.most`.
    var servers: [MatchmakerAddress] = []
    /// The epochs in use, of which group tags come, the newest last.
    var epochs: [EpochSecret] = []
    /// While invitations are open: what the rendezvous tag and its match key come from, under which this gateway is registered too.
    var rendezvous: TokenSecret?
    /// Of an admin: members that may look for it under a return tag, at most `mostReturns`.
    var returning: [PublicKey] = []
    /// Of a member that may have slept: the admins to look for under return tags, at most `mostReturns`.
    var returnsTo: [PublicKey] = []

    /// With whom this gateway has a return tag in use, each once: an admin that slept may expect the one that it looks for.
    var pairs: [PublicKey] { returnsTo + returning.filter { !returnsTo.contains($0) } }

    /// Each is a registration, or a look for one, at every matchmaker.
    static let mostReturns = 32
    /// After so long an admin goes on to others of those that may return, if there are more than it registers for. It takes a member
    /// that looks all the time some minutes to find a registration.
    static let returnPeriod = Interval.seconds(900)

    /// Of members in the order of their keys those that an admin registers for in this period, when there are more than `mostReturns`: each of them
    /// in its turn.
    ///
    /// - Parameter period: counts up.
    static func turn(_ members: [PublicKey], period: UInt64) -> [PublicKey] {
        let sorted = members.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        guard sorted.count > mostReturns else { return sorted }
        let first = Int(period % UInt64(sorted.count)) * mostReturns % sorted.count
        return (0..<mostReturns).map { sorted[(first + $0) % sorted.count] }
    }
}

extension GroupAgent {
    /// What there is to do now.
    var matchPlan: MatchPlan {
        guard view.matchKey != nil, !view.matchServers.isEmpty else { return MatchPlan() }
        var plan = MatchPlan(key: view.matchKey, servers: view.matchServers, epochs: epochsInUse)
        let now = core.currentTime()
        plan.rendezvous = invites.rendezvousSeed(now: now)
        if isAdmin, now - startedAt >= core.tuning.returnDelay {
            let period = (now - startedAt).nanoseconds / MatchPlan.returnPeriod.nanoseconds
            plan.returning = MatchPlan.turn(stragglers, period: UInt64(max(0, period)))
        }
        if !sleep.isOver, sleep.adminSince == nil, now - sleep.since >= core.tuning.returnDelay {
            let admins = state.members.filter { $0.isAdmin && $0.id != member }.map(\.record.key)
            plan.returnsTo = Array(admins.prefix(MatchPlan.mostReturns))
        }
        return plan
    }

    /// Members that are not there and have not heard of the newest epoch, as far as is known here: they know no group tag that is
    /// in use. After a start that is learned from others within seconds.
    private var stragglers: [PublicKey] {
        // In the first epoch nobody can have missed one.
        guard let epoch = state.epochs.last?.number, epoch > 1 else { return [] }
        let hops = presence.hops()
        return state.members.compactMap { member in
            guard member.id != self.member, let id = ids[member.record.key] else { return nil }
            let tag = PresenceTag(id)
            return hops[tag] == nil && presence.reached[tag] ?? 0 < epoch ? member.record.key : nil
        }
    }

    /// Tells the gateway when there is something else to do than before.
    func noteMatchPlan() {
        let plan = matchPlan
        guard plan != toldMatchPlan else { return }
        toldMatchPlan = plan
        core.matchPolicyChanged()
    }
}
