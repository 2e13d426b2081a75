public import DXWire

/// Paths: sessions come and go, the channel stays.
extension MessageChannel {
    /// Adds a session; it becomes the active path.
    ///
    /// - Parameters:
    ///   - id: its number (`docs/wire-format.md` §5.1), never used before in this channel.
    ///   - overheadByteCount: bytes that sealing adds to a packet.
    ///   - inheriting: the path of the same two addresses that it replaces (rekey); what that one measured goes on.
    ///   - bounds: the sizes of datagrams on it.
    /// - Throws: `ChannelError.closed`, `ChannelError.pathLimit`.
    public mutating func addPath(
        _ id: PathID, overheadByteCount: Int, inheriting: PathID?, bounds: PathBounds = PathBounds(), now: Instant
    ) throws(ChannelError) {
        advance(to: now)
        guard phase == .open else { throw .closed }
        guard paths.count < Self.maximumPaths, index(of: id) == nil else { throw .pathLimit }
        let old = inheriting.flatMap { index(of: $0) }.map { paths[$0] }
        var path = Path(
            id: id, overhead: overheadByteCount, configuration: configuration, peer: peerParameters, inheriting: old,
            bounds: bounds, random: &random, now: now)
        path.refreshPacing(now: now)
        paths.append(path)
        setActive(paths.count - 1, now: now)
    }

    /// Stops using a session for data: what is on the way is still awaited, then it is forgotten (`pathRetired`).
    /// The last path cannot be retired.
    public mutating func retirePath(_ id: PathID, now: Instant) {
        advance(to: now)
        guard let index = index(of: id), paths[index].state != .retiring else { return }
        if activeIndex == index {
            guard let other = paths.indices.last(where: { paths[$0].state == .standby }) else { return }
            setActive(other, now: now)
        }
        paths[index].state = .retiring
        paths[index].forgetAt = now + paths[index].rtt.probeTimeout(maximumAckDelay: peerMaximumAckDelay) * 3
    }

    /// Sends data on another path from now on.
    public mutating func activatePath(_ id: PathID, now: Instant) {
        advance(to: now)
        guard let index = index(of: id), paths[index].state == .standby else { return }
        setActive(index, now: now)
    }

    /// Asks the peer for a sign of life on the path in use, when it has just come into use: without anything to send it
    /// would not be heard before the keepalive. Nothing happens for another path.
    public mutating func probePath(_ id: PathID, now: Instant) {
        advance(to: now)
        guard phase == .open, let index = index(of: id), index == activeIndex else { return }
        paths[index].probesPending = max(paths[index].probesPending, 1)
    }

    private mutating func setActive(_ index: Int, now: Instant) {
        if let activeIndex, paths[activeIndex].state == .active {
            paths[activeIndex].state = .standby
            // A path left because it does not answer: what is on the way there is not waited for any longer.
            if paths[activeIndex].loss.probeCount > 0 { declareAllLost(on: activeIndex, now: now) }
        }
        paths[index].state = .active
        activeIndex = index
    }

    /// The session of a path opened a datagram, newer than all before, that came from a new address. Data goes on to the
    /// old one until the new one has answered a challenge (`pathValidated`).
    public mutating func pathHeardFromNewAddress(_ id: PathID, byteCount: Int, now: Instant) {
        advance(to: now)
        guard phase == .open, let index = index(of: id) else { return }
        if paths[index].validation.phase == .idle { paths[index].validation.start(challenge: random.next()) }
        paths[index].validation.onReceived(byteCount: byteCount)
    }

    /// Whether an address of this path is being proved and may still answer in time; another one must wait.
    public func isValidating(_ id: PathID) -> Bool { index(of: id).map { paths[$0].validation.isFresh } ?? false }

    /// Another address takes the place of the one under validation, if any: the proof begins anew.
    public mutating func pathCandidateChanged(_ id: PathID, now: Instant) {
        advance(to: now)
        guard phase == .open, let index = index(of: id) else { return }
        paths[index].validation.start(challenge: random.next())
    }

    /// The new address is in use: its network is another one, so what was measured of the old one does not hold
    /// (RFC 9000 §9.4).
    mutating func onPathValidated(_ index: Int, now: Instant) {
        restartMeasuring(index, now: now)
        events.append(.pathValidated(paths[index].id))
    }

    /// Forgets a path whose time has come: what was on the way is sent again elsewhere.
    mutating func forgetPath(at index: Int, now: Instant) {
        declareAllLost(on: index, now: now)
        let id = paths[index].id
        paths.remove(at: index)
        if let active = activeIndex {
            if active == index { activeIndex = nil } else if active > index { activeIndex = active - 1 }
        }
        if activeIndex == nil, let other = paths.indices.last(where: { paths[$0].state != .retiring }) {
            setActive(other, now: now)
        }
        events.append(.pathRetired(id))
        if !paths.isEmpty && phase == .open { retirements.append(id) }
    }
}
