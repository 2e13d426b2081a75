import DXWire
import Logging

/// The way through another member, where there is no direct one (`docs/nat-traversal.md` §4).
extension PeerLink {
    /// What there is of forwarding to this peer.
    struct Forwarding {
        /// Since when the peer is wanted and not reached.
        var unreachedSince: Instant?
        /// When a way through another member is thought of next.
        var tryAt: Instant = .distantFuture
        /// Calls through other members since it was reached directly: each goes through the next one.
        var callCount = 0
        /// When a direct way is looked for again, while this one is in use, and how long after that the next time.
        var directAt: Instant = .distantFuture
        var directPause = Forwarding.firstDirectPause

        /// What members say of their channels changes by the second.
        static let tryPause = Interval.seconds(1)
        /// The gateway with the larger id lets the other one call: one session is enough.
        static let courtesy = Interval.seconds(1)
        static let firstDirectPause = Interval.seconds(10)
        /// A direct way that is possible by now begins with news of a matchmaker's, or of the peer's own call; this is for what
        /// nobody tells of.
        static let longestDirectPause = Interval.seconds(600)
    }

    /// Whether the way in use leads through another member.
    var isForwarded: Bool { channel?.sessionInUse?.remote.isForwarded ?? false }

    /// The name of that member.
    var forwarderName: String? { channel?.sessionInUse.flatMap { core.forwarding.forwarderName(of: $0.remote) } }

    /// Whether the way in use leads through a member that is gone.
    var isStranded: Bool {
        guard let session = channel?.sessionInUse, session.remote.isForwarded else { return false }
        return !core.forwarding.isUsable(session.remote)
    }

    /// The peer is called: when that has not helped in time, another member is thought of.
    func expectAnswer() {
        let now = core.currentTime()
        let since = forwarding.unreachedSince ?? now
        forwarding.unreachedSince = since
        guard forwarding.tryAt == .distantFuture else { return }
        forwarding.tryAt = max(since + core.tuning.directPatience + courtesy, now)
        refreshDeadline()
    }

    /// A direct way was looked for in vain: another member is thought of at once.
    func directFailed() {
        guard isWanted, !isHeard else { return }
        forwarding.tryAt = min(forwarding.tryAt, core.currentTime() + courtesy)
        refreshDeadline()
    }

    private var courtesy: Interval { role == .lower ? .zero : Forwarding.courtesy }

    /// Thinks of another member, when it is time.
    func tryMember(now: Instant) {
        guard forwarding.tryAt <= now else { return }
        let isOver = isHeard || !isWanted || core.isStopping
        forwarding.tryAt = isOver ? .distantFuture : now + Forwarding.tryPause
        if !isOver { callThroughMember(now: now) }
    }

    /// Calls through another member, if there is one and direct ways had their time.
    private func callThroughMember(now: Instant) {
        guard !isCallingThroughMember else { return }
        if !(core.match?.isHopeless(id) ?? false) {
            let since = forwarding.unreachedSince ?? now
            guard since + core.tuning.directPatience <= now, !(core.match?.punches.isSearching(id) ?? false) else {
                return
            }
        }
        let ways = core.forwarding.ways(to: id)
        guard !ways.isEmpty else { return }
        // Another one each time: the first may not reach the peer, or be over its limit.
        let way = ways[forwarding.callCount % ways.count]
        forwarding.callCount += 1
        core.logger.debug(
            "calling a peer through another member",
            metadata: ["peer": "\(name)", "forwarder": "\(core.forwarding.forwarderName(of: way) ?? "")"])
        begin(way)
        core.scheduleTurn()
    }

    /// A session joined the channel; whether it leads through another member.
    func noteForwarding(_ session: ChannelSession, now: Instant) {
        forwarding.unreachedSince = nil
        guard session.remote.isForwarded else {
            forwarding.callCount = 0
            forwarding.directAt = .distantFuture
            forwarding.directPause = Forwarding.firstDirectPause
            core.match?.reached(id)
            return
        }
        core.match?.reachedThroughMember(id)
        if forwarding.directAt == .distantFuture { forwarding.directAt = now + forwarding.directPause }
        let through = core.forwarding.forwarderName(of: session.remote) ?? ""
        core.logger.info(
            "peer is reached through another member", metadata: ["peer": "\(name)", "forwarder": "\(through)"])
        core.events.post(.peerForwarded(peer: name, through: through))
    }

    /// Looks for a direct way again, now and then, beside the one in use. What is known by matchmakers goes on by itself.
    func retryDirect(now: Instant) {
        guard forwarding.directAt <= now else { return }
        guard isForwarded else {
            forwarding.directAt = .distantFuture
            return
        }
        forwarding.directPause = min(forwarding.directPause * 2, Forwarding.longestDirectPause)
        forwarding.directAt = now + forwarding.directPause
        call()
    }

    /// The member that the way in use leads through is gone: another way is wanted at once.
    func forwarderIsGone(now: Instant) {
        guard let channel, isForwarded else { return }
        core.logger.info("the member that forwarded to a peer is gone", metadata: ["peer": "\(name)"])
        onPathSuspect(channel, now: now)
    }
}
