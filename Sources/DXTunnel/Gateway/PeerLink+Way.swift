import DXSecure
import DXWire
import Logging

/// Ways to a peer that an introduction found (`docs/matchmaking.md` §7).
extension PeerLink {
    /// A way, and what it is worth.
    struct Way: Equatable {
        /// The address and port of ours.
        var base: Endpoint
        /// The peer's.
        var remote: Endpoint
        /// That of the pair (RFC 8445 §6.1.2.3).
        var priority: UInt64
        /// The secret that the peer's checks came under: it may have slept, and know no newer one.
        var veil: VeilNumber?
    }

    /// How long the gateway with the larger id lets the other one call over a way that both have found.
    private static let courtesy = Interval.milliseconds(300)

    /// A way was found, or a better one: both ends hear of it at about the same time, and the one with the lower id calls.
    func onWay(_ way: Way, now: Instant) {
        guard !core.isStopping, isBetter(way) else { return }
        core.logger.debug("a way to a peer was found", metadata: ["peer": "\(name)", "address": "\(way.remote)"])
        pendingWay = (way, role == .lower ? now : now + Self.courtesy)
        followWay(now: now)
        refreshDeadline()
        core.scheduleTurn()
    }

    /// Calls over the way that waits, when it is time.
    func followWay(now: Instant) {
        guard let (way, due) = pendingWay, due <= now else { return }
        pendingWay = nil
        // The other end may have called meanwhile.
        guard isBetter(way), !isCalling(way.remote) else { return }
        begin(way.remote, from: way.base, over: way, under: way.veil)
    }

    /// Whether it is connected, and answers.
    var isHeard: Bool { channel.map { !$0.isSilent && !isStranded } ?? false }

    /// Whether a way is worth a session: there is none, it is silent, it leads through another member, or it was found by an introduction
    /// and is worth less.
    private func isBetter(_ way: Way) -> Bool {
        guard let channel, let session = channel.sessionInUse else { return true }
        if channel.isSilent || session.remote.isForwarded { return true }
        guard session.remote != way.remote, let used = usedWay else { return false }
        return used.remote == session.remote && used.priority < way.priority
    }
}
