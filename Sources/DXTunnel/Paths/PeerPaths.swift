import DXWire

/// What `PeerPaths` has a peer's link do.
protocol PathHost: AnyObject {
    /// Begins a handshake for one more path; false when it cannot be begun.
    func openPath(_ pair: PathPlan.Pair, _ use: PathRules.Use) -> Bool
    /// Has a path of the channel retire.
    func retirePath(_ id: PathID)
    /// Something will be due then.
    func notePathDeadline(_ deadline: Instant)
}

/// Keeps the paths to one peer as `PathPlan` wants them: carries its wishes to the peer's link and tells it what came of them. Bound to
/// the gateway's event loop. It does nothing while there is no channel, as the first session is the link's own affair.
final class PeerPaths {
    private unowned let host: any PathHost
    private let rules: PathRules
    private var plan: PathPlan
    private var isActive = false
    private var isPumping = false

    /// The paths to a peer.
    init(_ host: any PathHost, role: ChannelRole, rules: PathRules, random: RandomSource) {
        self.host = host
        self.rules = rules
        plan = PathPlan(role: role, limit: rules.multipath == .off ? 1 : PathPlan.usualLimit, random: random)
    }

    /// When `timeoutFired` is due; nil for never. Kept: it is asked in each turn, and changes only with the plan.
    private(set) var nextTimeout: Instant?

    /// A channel is up whose both ends take several paths; or it is over.
    func setActive(_ active: Bool, now: Instant) {
        isActive = active && rules.multipath != .off
        if !active { plan.channelEnded() }
        pump(now: now)
    }

    /// The host's network is this.
    func networkChanged(_ snapshot: NetworkSnapshot, bound: [Endpoint], told: [Endpoint], now: Instant) {
        plan.setSources(PathSources.current(snapshot, rules: rules, bound: bound, told: told), now: now)
        pump(now: now)
    }

    /// The peer is to be found at these addresses, the likeliest first.
    func setRemotes(_ remotes: [Endpoint], now: Instant) {
        plan.setRemotes(remotes, now: now)
        pump(now: now)
    }

    /// A session joined the channel.
    func attached(_ id: PathID, local: Endpoint?, remote: Endpoint, now: Instant) {
        plan.attached(id, local: local, remote: remote, now: now)
        pump(now: now)
    }

    /// A session is no part of the channel any more.
    func ended(_ id: PathID, now: Instant) {
        plan.ended(id, now: now)
        pump(now: now)
    }

    /// A handshake that `openPath` began came to nothing.
    func failed(_ pair: PathPlan.Pair, now: Instant) {
        plan.failed(pair, now: now)
        pump(now: now)
    }

    /// Does what is due.
    func timeoutFired(now: Instant) { pump(now: now) }

    private func pump(now: Instant) {
        // The link's answer to a wish may be told at once.
        guard !isPumping else { return }
        guard isActive else { return nextTimeout = nil }
        isPumping = true
        while let action = plan.pollAction(now: now) {
            switch action {
            case .open(let pair, let use): if !host.openPath(pair, use) { plan.failed(pair, now: now) }
            case .retire(let id): host.retirePath(id)
            }
        }
        isPumping = false
        nextTimeout = plan.nextTimeout
        if let nextTimeout { host.notePathDeadline(nextTimeout) }
    }
}

@available(*, unavailable)
extension PeerPaths: Sendable {}
