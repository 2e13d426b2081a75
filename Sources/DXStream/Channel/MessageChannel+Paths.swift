public import DXWire

/// Paths: sessions come and go, the channel stays.
extension MessageChannel {
    /// Adds a session. It becomes the active path; where several are kept, only if it is better than the one in use, or takes
    /// its place.
    ///
    /// - Parameters:
    ///   - id: its number (`docs/wire-format.md` §5.1), never used before in this channel.
    ///   - overheadByteCount: bytes that sealing adds to a packet.
    ///   - inheriting: the path of the same two addresses that it replaces (rekey); what that one measured goes on.
    ///   - bounds: the sizes of datagrams on it.
    ///   - preference: how gladly this end uses it.
    ///   - ends: what it leads over.
    /// - Throws: `ChannelError.closed`, `ChannelError.pathLimit`, `ChannelError.pathRetired`.
    public mutating func addPath(
        _ id: PathID, overheadByteCount: Int, inheriting: PathID?, bounds: PathBounds = PathBounds(),
        preference: PathPreference = .primary, ends: PathEnds = PathEnds(), now: Instant
    ) throws(ChannelError) {
        advance(to: now)
        guard phase == .open else { throw .closed }
        guard paths.count < Self.maximumPaths, index(of: id) == nil else { throw .pathLimit }
        guard !retiredEarly.contains(id) else { throw .pathRetired }
        let oldIndex = inheriting.flatMap { index(of: $0) }
        let old = oldIndex.map { paths[$0] }
        var path = Path(
            id: id, overhead: overheadByteCount, configuration: configuration, peer: peerParameters, inheriting: old,
            bounds: bounds, random: &random, now: now)
        path.refreshPacing(now: now)
        path.preference = preference
        path.ends = ends
        path.peerPreference = old?.peerPreference ?? .primary
        path.isStatusDue = keepsPaths && preference != .primary
        path.statusSequence = 1
        // A path that is kept beside others is measured, so that it is known what it is worth when it is needed.
        if keepsPaths { path.probesPending = 1 }
        paths.append(path)
        if trace != nil { tracePath(paths.count - 1, .added(inheriting: old?.id)) }
        if !keepsPaths || activeIndex == nil || oldIndex == activeIndex {
            setActive(paths.count - 1, now: now)
        } else {
            choosePath(now: now)
        }
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
        if trace != nil { tracePath(index, .retiring) }
        choosePath(now: now)
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
        guard phase == .open, let index = index(of: id), index == activeIndex || keepsPaths else { return }
        paths[index].probesPending = max(paths[index].probesPending, 1)
    }

    /// Paths there are now, those that retire among them: 0 to `maximumPaths`.
    public var pathCount: Int { paths.count }

    /// Forgets the paths that retire at once: what is on the way there goes again over another (`pathRetired` for each).
    public mutating func forgetRetiringPaths(now: Instant) {
        advance(to: now)
        while let index = paths.indices.first(where: { paths[$0].state == .retiring && $0 != activeIndex }),
            paths.count > 1
        {
            forgetPath(at: index, now: now)
        }
    }

    /// Tells the peer not to use a path that this end has not taken (`docs/wire-format.md` §6.15). Nothing happens for one that it has.
    public mutating func refusePath(_ id: PathID) {
        guard phase == .open, !paths.isEmpty, index(of: id) == nil, !retirements.contains(id) else { return }
        retirements.append(id)
    }

    mutating func setActive(_ index: Int, now: Instant) {
        if let activeIndex, paths[activeIndex].state == .active {
            paths[activeIndex].state = .standby
            // A path left because it does not answer: what is on the way there is not waited for any longer.
            // Where several are kept it is asked again, and its content has been sent again elsewhere.
            if paths[activeIndex].loss.probeCount > 0, !keepsPaths { declareAllLost(on: activeIndex, now: now) }
            if keepsPaths { paths[activeIndex].loss.probeCount = 0 }
        }
        paths[index].state = .active
        activeIndex = index
        if trace != nil { tracePath(index, .used) }
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
    public func isValidating(_ id: PathID) -> Bool { paths.first { $0.id == id }?.validation.isFresh ?? false }

    /// Another address takes the place of the one under validation, if any: the proof begins anew.
    public mutating func pathCandidateChanged(_ id: PathID, now: Instant) {
        advance(to: now)
        guard phase == .open, let index = index(of: id) else { return }
        paths[index].validation.start(challenge: random.next())
    }

    /// The new address is in use: its network is another one, so what was measured of the old one does not hold
    /// (RFC 9000 §9.4). What is on the way went to the old one, where hardly anybody is any more: waiting for it would fill the new
    /// window, for the second that a path without a round trip gives its first packets.
    mutating func onPathValidated(_ index: Int, now: Instant) {
        declareAllLost(on: index, now: now)
        restartMeasuring(index, now: now)
        events.append(.pathValidated(paths[index].id))
        if trace != nil { tracePath(index, .validated) }
    }

    /// Forgets a path whose time has come: what was on the way is sent again elsewhere.
    mutating func forgetPath(at index: Int, now: Instant) {
        declareAllLost(on: index, now: now)
        let id = paths[index].id
        if trace != nil { tracePath(index, .retired) }
        endedPaths.add(paths[index].statistics)
        paths.remove(at: index)
        if let active = activeIndex {
            if active == index { activeIndex = nil } else if active > index { activeIndex = active - 1 }
        }
        if activeIndex == nil, let other = paths.indices.last(where: { paths[$0].state != .retiring }) {
            setActive(other, now: now)
        }
        choosePath(now: now)
        events.append(.pathRetired(id))
        if !paths.isEmpty && phase == .open { retirements.append(id) }
    }
}
