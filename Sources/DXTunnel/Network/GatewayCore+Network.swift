import DXMatch
import DXSecure
import DXSocket
import DXStream
import DXWire
import Logging

/// The gateway goes where its host goes (`docs/paths.md`).
extension GatewayCore {
    /// A process that stood still for so long was away, and not just busy.
    private static let awayTime = Interval.seconds(10)

    /// Follows the host's network from now on.
    func watchNetwork() {
        guard network == nil else { return }
        network = NetworkWatch(on: eventLoop) { [weak self] event in
            guard let self, !isStopping, socket != nil else { return }
            switch event {
            case .changed(let change, let snapshot): networkChanged(change, snapshot)
            case .woke(let slept): woke(after: slept)
            }
        }
    }

    /// Sessions leave their old addresses, matchmakers and members are told of the new ones, who is not reached is called anew.
    private func networkChanged(_ change: NetworkChange, _ snapshot: NetworkSnapshot) {
        let now = currentTime()
        logger.info(
            "the network of this host changed",
            metadata: [
                "gone": "\(change.gone.map(\.addressText).joined(separator: " "))",
                "new": "\(change.new.map(\.addressText).joined(separator: " "))",
            ])
        for peer in peers { peer.networkChanged(change, snapshot, now: now) }
        match?.lookAround(now: now)
        lan?.lookAround(now: now)
        group?.addressesChanged()
        turn()
    }

    /// The machine was suspended, or the process stopped: whoever is still there is asked for a sign of life, and NATs and matchmakers
    /// may have forgotten this gateway.
    private func woke(after slept: Interval) {
        let now = currentTime()
        logger.info("this gateway was away", metadata: ["seconds": "\(slept.secondsAsDouble)"])
        for peer in peers { peer.woke(after: slept, now: now) }
        match?.networkChanged(now: now)
        lan?.networkChanged(now: now)
        turn()
    }

    /// The timer comes late, by as much as the process stood still. Before anything is done about what seems overdue.
    func noteLateness(of deadline: Instant, now: Instant) {
        guard let late = SleepClock.late(deadline, now: now), !isStopping else { return }
        if late >= Self.awayTime { return woke(after: late) }
        for channel in peers.flatMap(\.channels) { channel.transport.resumed(now: now) }
    }
}

extension PeerLink {
    /// Calls on news of the network are so far apart at least: a network that comes and goes is no reason to call all the time.
    private static let newsPause = Interval.seconds(1)
    /// Handshakes that such news began have this long: four round trips of the slowest networks, with a lost flight.
    private static let newsPatience = Interval.seconds(5)

    /// The host has other addresses, or other ways.
    func networkChanged(_ change: NetworkChange, _ snapshot: NetworkSnapshot, now: Instant) {
        tellPaths(snapshot, now: now)
        // What is to retire for it has been told so just now: what follows is not earlier.
        let now = core.currentTime()
        let hasMoved = channel?.leave(change, snapshot, now: now) ?? false
        // Handshakes from an address that is gone end in nothing, and others wait behind them.
        let gaveUp = giveUpAttempts { hasMoved || change.has(lost: $0.local) }
        if !isHeard {
            if !change.new.isEmpty || change.routesChanged {
                callOnNews(now: now)
            } else if gaveUp {
                callSoon(at: now + Self.newsPause)
            }
        }
        refreshDeadline()
    }

    /// The gateway was away for some time.
    func woke(after slept: Interval, now: Instant) {
        if let channel {
            channel.transport.resumed(now: now)
            core.mark(channel)
        }
        // A peer that has given up the channel answers nothing on it: it is called at the same time.
        if channel.map({ $0.transport.agreedIdleTimeout.map { slept >= $0 } ?? false }) ?? true { callOnNews(now: now) }
        refreshDeadline()
    }

    private func callOnNews(now: Instant) {
        guard isWanted else { return }
        // Those under way may wait for seconds before they send again. But where the network changes all the time, calls must come to their
        // end.
        if newsCalledAt.map({ $0 + Self.newsPatience <= now }) ?? true { _ = giveUpAttempts { _ in true } }
        let due = max(now, newsCalledAt.map { $0 + Self.newsPause } ?? now)
        newsCalledAt = due
        callSoon(at: due)
    }
}

extension PeerChannel {
    /// Sessions whose address of ours is gone go on from another one; whether there were any, or some had none since.
    func leave(_ change: NetworkChange, _ snapshot: NetworkSnapshot, now: Instant) -> Bool {
        var hasMoved = false
        for session in sessions where !session.remote.isForwarded {
            let old = session.local
            // One of several goes with its address, if another is there to carry what it did.
            if keepsPaths, change.has(lost: old), hasOther(than: session, change) {
                transport.abandonPath(session.pathID, now: now)
                core.mark(self)
                continue
            }
            if old == nil || change.has(lost: old) {
                // A further socket is at the address that is gone: from now on it is the gateway's own.
                session.local = snapshot.source(for: session.remote)
                core.closeOutlet(at: old)
                session.session.changeSendID()
                transport.pathMoved(session.pathID, now: now)
                hasMoved = true
            }
            session.exit = session.local.map { snapshot.exit(from: $0) } ?? 0
        }
        if hasMoved { core.mark(self) }
        return hasMoved
    }

    private func hasOther(than session: ChannelSession, _ change: NetworkChange) -> Bool {
        let down = Set(transport.pathSnapshots.filter(\.isDown).map(\.id))
        return sessions.contains {
            $0 !== session && $0.local != nil && !change.has(lost: $0.local) && !down.contains($0.pathID)
        }
    }
}

extension NetworkSnapshot {
    /// From which address of ours to send to a remote one after another was lost; nil leaves it to the routing table, which knows best as
    /// long as what it gives works. It may still lead to an interface whose cable is out.
    func source(for remote: Endpoint) -> Endpoint? {
        let usable = usableAddresses
        if let chosen = SourceAddress.towards(remote), usable.contains(where: { $0.hasSameAddress(as: chosen) }) {
            return nil
        }
        let best = interfaces.filter { $0.isRunning && $0.hasDefaultRoute(remote.family) }
            .min { $0.defaultMetrics[remote.family] ?? .max < $1.defaultMetrics[remote.family] ?? .max }
        return best?.addresses.first { $0.family == remote.family && $0.scope == 0 }
    }
}
