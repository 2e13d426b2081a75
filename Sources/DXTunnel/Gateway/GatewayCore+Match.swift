import DXSecure
import DXWire
import NIOCore

/// The gateway and its group's matchmakers.
extension GatewayCore {
    /// What `GroupAgent.matchPlan` says is another than before: keys, matchmakers, or whom to be found by. Called on the event
    /// loop, also once when the gateway starts, and from within changes of the group: the rest is done in a task of its own.
    func matchPolicyChanged() {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute { bound.value.followMatchPlan() }
    }

    private func followMatchPlan() {
        guard let group, socket != nil, !isStopping else { return }
        let plan = group.matchPlan
        service?.serve(plan.key)
        if match == nil { match = MatchAgent(self, identity: secure.identity) }
        let now = currentTime()
        match?.follow(plan, now: now)
        // Those that could not be called before may be now.
        for peer in peers where !peer.isConnected { peer.start(now: now) }
        scheduleTurn()
    }
}
