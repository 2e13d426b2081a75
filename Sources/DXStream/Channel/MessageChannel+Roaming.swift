public import DXWire

/// A gateway that is somewhere else by now, or was away.
extension MessageChannel {
    /// This end sends from another address from now on, and perhaps over another network: what is on the way is not waited for, as its
    /// acknowledgements go to the old address, and the peer learns of the new one at once, by what goes out again or else by a
    /// probe. What was measured of the old network does not hold; only the round trip stays as a first guess.
    public mutating func pathMoved(_ id: PathID, now: Instant) {
        advance(to: now)
        guard phase == .open, let index = index(of: id), paths[index].state != .retiring else { return }
        let roundTrip = paths[index].rtt
        declareAllLost(on: index, now: now)
        restartMeasuring(index, now: now)
        paths[index].rtt = roundTrip
        if trace != nil { tracePath(index, .moved) }
        if index == activeIndex { paths[index].probesPending = max(paths[index].probesPending, 1) }
    }

    /// Time has passed in which this end did not run: the machine was suspended, or the process stopped. The peer's silence says nothing
    /// then, so the idle timeout begins anew; and the peer, if it still holds the channel, is asked for a sign of life at once, which
    /// takes one round trip.
    public mutating func resumed(now: Instant) {
        advance(to: now)
        guard phase == .open else { return }
        firstSentSinceReceived = now
        for index in paths.indices where paths[index].state != .retiring { paths[index].loss.probeCount = 0 }
        if let activeIndex { paths[activeIndex].probesPending = max(paths[activeIndex].probesPending, 1) }
    }

    /// A packet came, before it is noted. After a silence the waits between probes are long; a peer that is back is not made to wait for the
    /// next one: it is due as after the first timeout. Only once until it acknowledges something, or on a path that works one way
    /// only probes would never become rarer.
    mutating func noteHeard(_ index: Int, now: Instant) {
        guard paths[index].loss.probeCount > 1, !paths[index].loss.wasHeardAgain else { return }
        let silence = paths[index].rtt.probeTimeout(maximumAckDelay: peerMaximumAckDelay) * 3
        guard lastReceivedAt + silence <= now else { return }
        paths[index].loss.probeCount = 0
        paths[index].loss.wasHeardAgain = true
    }

    /// Another network, of which nothing is known yet (RFC 9000 §9.4).
    mutating func restartMeasuring(_ index: Int, now: Instant) {
        let inFlight = paths[index].congestion.bytesInFlight
        paths[index].rtt = RTTEstimator()
        paths[index].mtu = MTUDiscovery(
            minimum: paths[index].mtu.minimum,
            maximum: Int(min(peerParameters.largestDatagram, UInt64(configuration.maximumDatagram))), now: now)
        paths[index].sizing = PacketSizing(maximumPacket: paths[index].sizing.maximumPacket)
        var congestion = CongestionController(
            configuration.congestion, maximumDatagram: paths[index].mtu.current,
            seed: UInt64(bitPattern: now.nanoseconds))
        congestion.ignoreDelivery(below: paths[index].sent.nextNumber)
        paths[index].congestion = congestion
        // What is on the way still counts; its acknowledgements will come.
        paths[index].congestion.onSent(bytes: inFlight, packetNumber: paths[index].sent.largestSent ?? 0, now: now)
        paths[index].ecn = ECNValidator(isEnabled: configuration.usesECN)
        paths[index].loss.probeCount = 0
        paths[index].loss.wasHeardAgain = false
        paths[index].refreshPacing(now: now)
    }
}
