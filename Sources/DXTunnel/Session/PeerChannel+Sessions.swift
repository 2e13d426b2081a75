import DXSecure
import DXStream
import DXWire
import Logging

/// The sessions that a channel uses as paths: how they join it, take one another's place, and leave it.
extension PeerChannel {
    /// The session in use: where one path is kept, the one with the largest number.
    var sessionInUse: ChannelSession? {
        if keepsPaths, let session = transport.activePath.flatMap(session(of:)) { return session }
        return sessions.max { $0.pathID < $1.pathID }
    }

    /// The session of a path.
    func session(of id: PathID) -> ChannelSession? { sessions.first { $0.pathID == id } }

    /// Takes a session as a path; true when another one is in use.
    ///
    /// Where several paths are kept, that is so unless it leads from and to the same addresses as another, whose successor it is then.
    /// Where one is kept, the one with the largest id is used (both ends reckon the same), and the others are retired.
    func attach(_ session: ChannelSession, now: Instant) throws(DXStream.ChannelError) -> Bool {
        let isDirect = !session.remote.isForwarded && !sessions.contains { $0.remote.isForwarded }
        if keepsPaths, isDirect { return try attachBeside(session, now: now) }
        try attachInstead(session, now: now)
        return false
    }

    private func attachBeside(_ session: ChannelSession, now: Instant) throws(DXStream.ChannelError) -> Bool {
        let alike = sessions.filter { other in
            guard other.remote == session.remote else { return false }
            guard let local = other.local, let own = session.local else { return true }
            return local.hasSameAddress(as: own)
        }
        let newest = alike.max { $0.pathID < $1.pathID }
        let used = alike.first { transport.activePath == $0.pathID }
        makeRoom(forSuccessor: newest != nil, now: now)
        try transport.addPath(
            session.pathID, overheadByteCount: session.session.sealOverhead,
            inheriting: (used ?? newest)?.pathID, bounds: bounds(of: session), preference: peer.preference(of: session),
            ends: ends(of: session), now: now)
        session.channel = self
        sessions.append(session)
        let older = alike.lazy.map(\.pathID).filter { $0 < session.pathID }
        if !older.isEmpty { predecessors[session.pathID] = Array(older) }
        if let newest, newest.pathID > session.pathID {
            // Both ends may have begun one at once, and attach them in another order: of two the one with the larger number stays.
            predecessors[newest.pathID, default: []].append(session.pathID)
            if used === newest { transport.activatePath(newest.pathID, now: now) }
        }
        core.mark(self)
        return transport.activePath != session.pathID
    }

    /// Whether a newer session takes its place, and it goes as soon as the peer uses that one.
    func isReplaced(_ id: PathID) -> Bool { predecessors.values.contains { $0.contains(id) } }

    /// What a session leads over, for telling paths that share an address: ports say nothing of networks.
    private func ends(of session: ChannelSession) -> PathEnds {
        func number(_ endpoint: Endpoint) -> UInt64 { endpoint.high &* 0x9e37_79b9_7f4a_7c15 ^ endpoint.low }
        return PathEnds(local: session.local.map(number), remote: number(session.remote))
    }

    /// A session leads over something else by now.
    func noteEnds(of session: ChannelSession) { transport.setEnds(ends(of: session), of: session.pathID) }

    /// Of several paths one that does not answer gives way to a new one; and where the channel takes no more at all, those that are about
    /// to go are not waited for any longer: sessions that follow one another faster than that would stay out otherwise.
    private func makeRoom(forSuccessor isSuccessor: Bool, now: Instant) {
        if transport.pathCount >= MessageChannel.maximumPaths { transport.forgetRetiringPaths(now: now) }
        guard !isSuccessor, sessions.count >= PathPlan.usualLimit,
            let dead = transport.pathSnapshots.first(where: { $0.isDown && !$0.isActive })
        else { return }
        transport.abandonPath(dead.id, now: now)
    }

    /// A session could not join: the peer, which may have taken it as a path, is told not to use it.
    func refuse(_ session: ChannelSession) {
        transport.refusePath(session.pathID)
        core.mark(self)
    }

    private func attachInstead(_ session: ChannelSession, now: Instant) throws(DXStream.ChannelError) {
        let newest = sessions.max { $0.pathID < $1.pathID }
        let isSuccessor = newest.map { session.pathID > $0.pathID } ?? true
        let hasSameAddress = newest.map { $0.remote == session.remote } ?? false
        try transport.addPath(
            session.pathID, overheadByteCount: session.session.sealOverhead,
            inheriting: hasSameAddress ? newest?.pathID : nil, bounds: bounds(of: session), now: now)
        session.channel = self
        if isSuccessor {
            // The others go when the peer shows that it has the new one too (`retireOthers`), which it is asked for.
            replaced = sessions.map(\.pathID)
            if !replaced.isEmpty { transport.probePath(session.pathID, now: now) }
        } else if let newest {
            transport.activatePath(newest.pathID, now: now)
            transport.retirePath(session.pathID, now: now)
        }
        sessions.append(session)
        core.mark(self)
    }

    /// Through another member no more fits than the channel to it carries in a datagram.
    private func bounds(of session: ChannelSession) -> PathBounds {
        guard session.remote.isForwarded else { return PathBounds() }
        let minimum = Constants.minimumForwardedDatagram
        return PathBounds(
            minimum: minimum, maximum: max(minimum, core.forwarding.capacity(towards: session.remote)),
            allowsFragments: false)
    }

    /// The peer uses this session, the newest: the ones before it are not needed any more.
    func retireOthers(than session: ChannelSession, now: Instant) {
        // Renewed again and again, a session may be replaced before it was ever used.
        var old = predecessors.removeValue(forKey: session.pathID) ?? []
        while let id = old.popLast() {
            transport.retirePath(id, now: now)
            old += predecessors.removeValue(forKey: id) ?? []
        }
        guard !replaced.isEmpty, session === sessions.max(by: { $0.pathID < $1.pathID }) else { return }
        for id in replaced { transport.retirePath(id, now: now) }
        replaced.removeAll()
    }

    /// Whether sessions wait for `retireOthers`.
    var hasReplaced: Bool { !replaced.isEmpty || !predecessors.isEmpty }

    func detach(_ id: PathID) {
        guard let index = sessions.firstIndex(where: { $0.pathID == id }) else { return }
        let session = sessions.remove(at: index)
        session.channel = nil
        // What it would have replaced is replaced by what replaces it.
        let older = predecessors.removeValue(forKey: id) ?? []
        for (new, old) in predecessors where old.contains(id) {
            let left = old.filter { $0 != id } + older.filter { !old.contains($0) }
            predecessors[new] = left.isEmpty ? nil : left
        }
        // The numbers of another channel's paths may be the same.
        if isCurrent {
            peer.noteTraffic()
            peer.pathEnded(id, now: now)
        }
        core.forget(session)
    }

    /// Lets all sessions go; the channel is over.
    func dispose() {
        for session in sessions {
            session.channel = nil
            core.forget(session)
        }
        sessions.removeAll()
    }

    func onPathValidated(_ id: PathID) {
        guard let session = session(of: id), let candidate = session.candidate else { return }
        core.logger.info(
            "peer moved to a new address",
            metadata: ["peer": "\(peer.name)", "from": "\(session.remote)", "to": "\(candidate)"])
        core.events.post(
            .peerMoved(peer: peer.name, from: session.remote.description, to: candidate.description))
        session.remote = candidate
        session.local = session.candidateLocal
        session.exit = core.exit(from: session.local)
        session.candidate = nil
        // It may have left what is cut, or come there.
        if core.blackout(of: self) != nil { core.registerIDs(of: session) }
        session.session.changeSendID()
        peer.note(candidate, session.local)
    }
}
