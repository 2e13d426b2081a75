import DXStream
import DXWire
import Logging

/// A peer whose gateway is restarted without a break (`docs/restart.md`): its old start says that another takes over, keeps the channel
/// for the connections that are open, and the other one begins a channel of its own, over which the new ones go.
extension PeerLink {
    /// The channels that carry something: the peer's, and those of its earlier starts.
    var channels: [PeerChannel] { ending.filter { $0.end == nil } + [channel].compactMap { $0 } }

    /// This end's number of the channel that a session established now would join.
    var ownHalf: UInt64 {
        guard let channel, !channel.isSucceeded else { return nextHalf }
        return channel.localHalf
    }

    /// The peer says that another start of it takes over.
    func onSuccession(of channel: PeerChannel) {
        // The answer to what this gateway has said itself; or both ends are restarted, which comes to the same.
        if core.isSucceeded { return channel.isLeft = true }
        guard channel === self.channel, !channel.isSucceeded else { return }
        core.logger.info("peer restarts: its open connections go on", metadata: ["peer": "\(name)"])
        channel.isSucceeded = true
        nextHalf = core.random.next()
        // The other start may know no address of this gateway. What comes before it runs waits in its socket.
        // Whoever waits for the one in use to answer waits for nothing.
        for session in doubted?.sessions ?? [] { drop(session) }
        doubted = nil
        let spread = Interval(nanoseconds: Int64(core.random.below(UInt64(Self.successionSpread.nanoseconds))))
        reconnect.want(at: core.currentTime() + Self.successionPause + spread)
        refreshDeadline()
    }

    /// Hundreds of peers do not call at the same moment: their handshakes cost the other start a fraction of a millisecond each.
    private static let successionSpread = Interval.milliseconds(400)
    /// The old start reads for as long as its other peers take to answer; what it would take as a call is lost.
    private static let successionPause = Interval.milliseconds(600)
    /// A peer that restarts again and again, with connections open in each start, has so many at most.
    private static let mostParted = 4

    /// Whether the channel is that of an earlier start of the peer, and another is looked for.
    var isSucceeded: Bool { channel?.isSucceeded ?? false }

    /// Whether a session is the start's that has said it would be followed by another: it comes too late.
    func isOfPredecessor(_ bind: Bind) -> Bool {
        guard let channel, channel.isSucceeded else { return false }
        return channel.remoteHalf == bind.channelHalf
    }

    /// The other start begins a channel: the one before is left to its streams. New ones go over it until the destination has
    /// activated their tunnel over the other.
    func part(_ channel: PeerChannel) {
        core.logger.info(
            "peer has restarted", metadata: ["peer": "\(name)", "open_connections": "\(channel.connectionCount)"])
        let parted = ending.filter { $0.counted != nil && $0.end == nil }
        if parted.count >= Self.mostParted, let oldest = parted.first {
            oldest.transport.close(.replaced, reason: "it was restarted too often", now: core.currentTime())
            core.mark(oldest)
        }
        setAside(channel)
        channel.counted = channel.transport.statistics
        for peer in core.forwarding.peers(through: id) { peer.forwarderIsGone(now: core.currentTime()) }
        tellLeft()
    }

    /// It is the peer's channel no more: what it has carried is counted, and no path is looked for.
    func setAside(_ channel: PeerChannel) {
        let now = core.currentTime()
        pastBytes.sent &+= channel.transport.statistics.bytesSent
        pastBytes.received &+= channel.transport.statistics.bytesReceived
        past.add(channel.transport.statistics)
        noteTraffic()
        ledger.channelEnded()
        self.channel = nil
        endPaths(now: now)
        endGoneSearch()
        usedWay = nil
        core.match?.punches.channelEnded(with: id, now: now)
        ending.append(channel)
        core.mark(channel)
    }

    /// Tells an earlier start that nothing new will go over its channel, once all tunnels are activated over the present one. It ends then
    /// when it has delivered everything; this end does not know when that is.
    func tellLeft() {
        for channel in ending where channel.counted != nil && channel.end == nil && !channel.hasToldLeft {
            guard !core.origins.contains(where: { $0.isActivated(by: channel) }) else { continue }
            channel.hasToldLeft = true
            channel.send(.succession)
        }
    }

    /// What a channel that was left to its streams has carried since.
    func countRest(of channel: PeerChannel) {
        guard let counted = channel.counted else { return }
        let total = channel.transport.statistics
        channel.counted = nil
        pastBytes.sent &+= total.bytesSent &- counted.bytesSent
        pastBytes.received &+= total.bytesReceived &- counted.bytesReceived
        past.add(total, since: counted)
    }

    /// Ends the connections, over channels that were left to them, which the silence of the peer's old start has outlasted.
    func endOutlastedAside(now: Instant) {
        for channel in ending where channel.livenessDeadline.map({ $0 <= now }) ?? false {
            channel.endOutlasted(now: core.currentTime())
            core.mark(channel)
        }
    }
}
