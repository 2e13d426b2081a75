import DXSecure
import DXWire
import NIOCore

/// Changes that hold for a time unless they are confirmed (`docs/group.md` §3.4), and how late it is.
extension GroupAgent {
    /// Seconds since 1970, for what ends at some time; nil when this gateway's clock is behind what an admin's was already:
    /// then nobody knows what has ended.
    var calendar: Int64? {
        let now = Timestamp.now().wholeSeconds
        return now + Self.clockTolerance < Int64(clamping: state.newestTime) ? nil : now
    }

    /// Clocks that are set by people are some minutes off.
    private static let clockTolerance: Int64 = 300

    /// What held for a time that is over.
    var lapsed: Set<Bytes32> {
        let now = core.currentTime()
        return Set(trials.filter { $0.value <= now }.keys)
    }

    /// When the next change is over that nobody has confirmed.
    var nextTrialEnd: Instant? { trials.values.filter { $0 > trialsSeenAt }.min() }

    /// Begins to count for what is new.
    func followTrials() {
        let waiting = state.tunnels.filter { $0.trial != nil }
        let hashes = Set(waiting.map(\.hash))
        trials = trials.filter { hashes.contains($0.key) }
        for tunnel in waiting where trials[tunnel.hash] == nil {
            trials[tunnel.hash] =
                core.currentTime() + core.tuning.trialUnit * Int64(clamping: tunnel.trial?.seconds ?? 0)
        }
    }

    /// Where a tunnel's trial stands.
    func trialStatus(_ tunnel: GroupState.Tunnel) -> GroupTunnel.Trial? {
        guard tunnel.trial != nil else { return nil }
        let left = trials[tunnel.hash].map { max(0, ($0 - core.currentTime()).nanoseconds) } ?? 0
        return GroupTunnel.Trial(holds: left > 0, secondsLeft: Int(left / 1_000_000_000))
    }

    /// Confirms what waits for it: one tunnel, or all.
    func confirm(_ name: String?) throws(GroupError) -> EventLoopFuture<GroupChange> {
        try requireAdmin()
        let waiting = try name.map { name throws(GroupError) in [try tunnel(name)] } ?? state.tunnels
        let trials = waiting.filter { $0.trial != nil }
        guard !trials.isEmpty else {
            throw GroupError(
                .conflict, name.map { "\($0) need not be confirmed" } ?? "nothing waits to be confirmed",
                "dxgateway tunnel list shows what does")
        }
        for tunnel in trials {
            var record = tunnel.record
            record.trialSeconds = nil
            try say(.tunnel, id: tunnel.id.bytes, body: record.body)
        }
        let names = trials.map { "tunnel \($0.name) confirmed" }
        return commit().map { GroupChange(revision: $0, changed: names) }
    }
}
