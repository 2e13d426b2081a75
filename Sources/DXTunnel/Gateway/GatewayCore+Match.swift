import Logging

/// The gateway and its group's matchmakers.
extension GatewayCore {
    /// What `GroupAgent.matchPlan` says is another than before: keys, matchmakers, or whom to be found by. Called on the event
    /// loop, also once when the gateway starts, and from within changes of the group: whoever acts on it reads the plan and
    /// does the rest in a turn of its own.
    func matchPolicyChanged() { logger.debug("what the group uses matchmakers for has changed") }
}
