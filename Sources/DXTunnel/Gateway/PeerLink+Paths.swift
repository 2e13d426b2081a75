import DXSecure
import DXSocket
import DXStream
import DXWire
import Logging

/// Several paths to a peer at once (`docs/paths.md` §3): opens those that `PathPlan` wants, and tells it what became of them.
extension PeerLink: PathHost {
    /// A handshake for one more path.
    struct PathAttempt {
        var session: DTLSSession
        var pair: PathPlan.Pair
        var use: PathRules.Use
    }

    /// Begins a handshake over these two addresses, beside the sessions that there are.
    func openPath(_ pair: PathPlan.Pair, _ use: PathRules.Use) -> Bool {
        guard let channel, channel.keepsPaths, !channel.isSucceeded, !core.isSucceeded, !core.isStopping, isWanted,
            !isForwarded
        else { return false }
        do throws(SecureError) {
            let session = try core.secure.connect(
                to: id, at: pair.remote, from: pair.local, under: nil, now: core.currentTime())
            pathAttempts.append(PathAttempt(session: session, pair: pair, use: use))
        } catch {
            core.logger.debug("path not tried", metadata: ["peer": "\(name)", "error": "\(error)"])
            return false
        }
        core.scheduleTurn()
        return true
    }

    /// A path is of no use any more.
    func retirePath(_ id: PathID) {
        // One that is replaced goes as soon as the peer uses its successor.
        guard let channel, !channel.isReplaced(id) else { return }
        channel.transport.abandonPath(id, now: core.currentTime())
        core.mark(channel)
    }

    /// Something is due then.
    func notePathDeadline(_ deadline: Instant) {
        self.deadline = min(self.deadline, deadline)
        core.noteDeadline(self.deadline)
    }

    // MARK: What happens to them

    /// The channel is over, and what was begun for it.
    func endPaths(now: Instant) {
        paths.setActive(false, now: now)
        for attempt in pathAttempts { attempt.session.close() }
        pathAttempts.removeAll()
    }

    /// The host's network is this. The peer tries the addresses that it sees.
    func tellPaths(_ snapshot: NetworkSnapshot, now: Instant) {
        let told = channel?.sessions.compactMap { start(of: $0) } ?? []
        paths.networkChanged(snapshot, bound: core.boundAddresses, told: told, now: now)
    }

    /// The peer is to be found at what was told and looked up, and where it is now.
    func setPathRemotes(now: Instant) {
        var remotes = knownEndpoints
        for session in channel?.sessions ?? [] where !session.remote.isForwarded && !remotes.contains(session.remote) {
            remotes.append(session.remote)
        }
        paths.setRemotes(remotes, now: now)
    }

    /// A handshake for one more path came to nothing, or the session that came of it; false when it was none of these.
    @discardableResult
    func pathFailed(_ session: DTLSSession, now: Instant) -> Bool {
        guard let index = pathAttempts.firstIndex(where: { $0.session === session }) else { return false }
        let attempt = pathAttempts.remove(at: index)
        paths.failed(attempt.pair, now: now)
        refreshDeadline()
        return true
    }

    /// A session joined the channel: how gladly it is used, by the interface that it goes over.
    func preference(of session: ChannelSession) -> PathPreference {
        if let attempt = pathAttempts.first(where: { $0.session === session.session }) {
            return attempt.use.pathPreference
        }
        guard let local = session.local, let snapshot = core.network?.snapshot,
            let interface = snapshot.interface(of: local)
        else { return .primary }
        return core.pathRules.use(of: interface)?.pathPreference ?? .primary
    }

    /// A session joined the channel: further paths are looked for, if both ends take several.
    func pathAttached(_ session: ChannelSession, now: Instant) {
        let attempt = pathAttempts.firstIndex { $0.session === session.session }.map { pathAttempts.remove(at: $0) }
        guard let channel, channel.keepsPaths else { return }
        // Of two begun at once the newer one stays, though it joined first: at the peer this one goes.
        guard !channel.isReplaced(session.pathID) else {
            if let attempt { paths.failed(attempt.pair, now: now) }
            return
        }
        // Through another member there is nothing to choose, and it takes the place of all others.
        guard !session.remote.isForwarded else { return paths.setActive(false, now: now) }
        if let snapshot = core.network?.snapshot { tellPaths(snapshot, now: now) }
        // The kernel may have chosen another address since; what was wanted has been fulfilled all the same.
        paths.attached(
            session.pathID, local: attempt?.pair.local ?? start(of: session), remote: session.remote, now: now)
        setPathRemotes(now: now)
        paths.setActive(true, now: now)
    }

    /// Where a session begins; before the peer is heard on it, where the routing table has it begin.
    private func start(of session: ChannelSession) -> Endpoint? {
        session.local ?? SourceAddress.towards(session.remote)
    }

    /// Of several paths this one does not answer, or is gone.
    func pathEnded(_ id: PathID, now: Instant) {
        paths.ended(id, now: now)
        refreshDeadline()
    }

    /// It answers again.
    func pathReturned(_ session: ChannelSession, now: Instant) {
        core.events.post(.pathUp(peer: name, address: session.remote.description))
        core.logger.info("path answers again", metadata: ["peer": "\(name)", "address": "\(session.remote)"])
        paths.attached(session.pathID, local: session.local, remote: session.remote, now: now)
    }
}

extension GatewayCore {
    /// What interfaces are for, and how several paths are used: by the file, or by a group member's own.
    var pathRules: PathRules { group?.settings.paths ?? configuration.paths }
    /// Where the sockets are bound.
    var boundAddresses: [Endpoint] { socket?.localEndpoints ?? [] }
}

extension PathRules.Use {
    /// What the transport calls it.
    var pathPreference: PathPreference {
        if isMetered { return .metered }
        return preference == .backup ? .backup : .primary
    }
}

extension PathRules.Multipath {
    /// What a channel does with several paths; nil when it has one.
    var mode: MultipathMode? {
        switch self {
        case .standby: .standby
        case .redundant: .redundant
        case .aggregate: .aggregate
        case .off: nil
        }
    }
}

extension PeerChannel {
    /// One of several paths, for status; nil for one that is about to go.
    func status(of path: PathSnapshot) -> PathStatus? {
        guard let session = session(of: path.id), !session.remote.isForwarded else { return nil }
        return PathStatus(
            local: session.local?.addressText, remote: session.remote.description,
            state: path.isActive ? .used : path.isDown ? .down : .ready, preference: "\(path.preference)",
            rttMicroseconds: path.roundTrip.map { UInt64(max(0, $0.microseconds)) },
            bytesSent: path.statistics.bytesSent, bytesReceived: path.statistics.bytesReceived, kind: session.pathKind)
    }
}
