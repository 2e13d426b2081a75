import DXSocket
import DXStream
import DXWire

/// Rehearsals on the gateway's event loop.
extension GatewayCore {
    /// What a rehearsal would cut, and what stands by; nil when the peer is none of this event loop's.
    ///
    /// - Throws: `notConnected`, `unknownPath`; `rehearsalTooLong` when connections would end of it.
    func planRehearsal(
        _ target: RehearsalTarget, seconds: Int
    ) throws(GatewayError) -> (plan: RehearsalPlan, blackout: Blackout, peer: PeerLink, ends: [Rehearsal.End])? {
        guard let peer = peers.first(where: { target.names($0) }) else { return nil }
        guard let channel = peer.channel else { throw .notConnected(peer.name) }
        let paths = try target.path.map { words throws(GatewayError) in try self.paths(of: channel, words) } ?? []
        let blackout = Blackout(peer: peer.id, paths: paths)
        let ends = rehearsalEnds(channel)
        try checkSilence(of: channel, ends, seconds: seconds)
        var plan = RehearsalPlan(
            peer: peer.name, paths: paths.map { pathWords($0.remote, $0.local) }, seconds: seconds,
            otherPaths: otherPaths(of: channel, than: blackout),
            tunnels: ends.map { tunnelPlan($0, channel) }, wouldBreak: [], notes: [])
        plan.judge()
        for tunnel in udpTunnels(with: peer) {
            plan.notes.append("\(tunnel): datagrams are lost too, and not measured")
        }
        return (plan, blackout, peer, ends)
    }

    /// Begins; the plan, or nil when the peer is none of this event loop's.
    ///
    /// - Throws: the same as `planRehearsal`; `rehearsalRefused` when open connections would come to harm; `draining`, `notRunning` when
    ///   the gateway is about to stop; `rehearsing`.
    func beginRehearsal(
        _ target: RehearsalTarget, seconds: Int, isForced: Bool
    ) throws(GatewayError) -> RehearsalPlan? {
        guard let (plan, blackout, peer, ends) = try planRehearsal(target, seconds: seconds) else { return nil }
        guard !isStopping else { throw .notRunning }
        guard !isDraining else { throw .draining }
        guard isForced || plan.wouldBreak.isEmpty else {
            throw .rehearsalRefused("nothing stands by: " + plan.wouldBreak.joined(separator: "; "))
        }
        let rehearsal = Rehearsal(
            plan, blackout, isOfPathInUse: target.path?.isEmpty ?? false, of: peer, ends: ends, core: self)
        if let other = rehearsal.begin() { throw .rehearsing(other.plan.what) }
        self.rehearsal = rehearsal
        return plan
    }

    /// The plan to cut the path in use, which may be another one since it was made; nil when nothing stands by for that one.
    func replanned(_ plan: RehearsalPlan, _ channel: PeerChannel) -> (RehearsalPlan, Blackout)? {
        guard let session = channel.sessionInUse else { return nil }
        let blackout = Blackout(peer: channel.peer.id, paths: [path(of: session)])
        let others = otherPaths(of: channel, than: blackout)
        guard !others.isEmpty else { return nil }
        var plan = plan
        plan.paths = blackout.paths.map { pathWords($0.remote, $0.local) }
        plan.otherPaths = others
        return (plan, blackout)
    }

    /// Ends the cut; false when none goes on here.
    func stopRehearsal() -> Bool {
        guard let rehearsal, rehearsal.isCutting else { return false }
        rehearsal.end(.stopped)
        return true
    }

    // MARK: What there is

    /// A cut is no longer than the shortest silence that ends connections, less the time that it may take to be heard again: whatever is
    /// to take over may not do so.
    private func checkSilence(
        of channel: PeerChannel, _ ends: [Rehearsal.End], seconds: Int
    ) throws(GatewayError) {
        guard let liveness = channel.transport.agreedIdleTimeout else { return }
        // Each connection ends by its own tunnel's rule (`PeerChannel.endOutlasted`).
        let silence = max(liveness, ends.map { $0.usage.hold ?? .zero }.min() ?? .zero)
        let longest = Int(max(.zero, silence - Rehearsal.settleTime).nanoseconds / 1_000_000_000)
        guard seconds > longest else { return }
        throw .rehearsalTooLong(channel.peer.name, silence: Int(silence.nanoseconds / 1_000_000_000), longest: longest)
    }

    private func rehearsalEnds(_ channel: PeerChannel) -> [Rehearsal.End] {
        origins.filter { $0.udp == nil && $0.activeNames.contains(channel.peer.name) }.map(Rehearsal.End.origin)
            + destinations.filter { $0.udp == nil && channel.hasBlock(of: $0) }.map(Rehearsal.End.destination)
    }

    private func udpTunnels(with peer: PeerLink) -> [String] {
        origins.filter { $0.udp != nil && $0.destinations.contains(peer.name) }.map(\.name)
            + destinations.filter { $0.udp != nil && $0.origins.contains(peer.name) }.map(\.name)
    }

    private func tunnelPlan(_ end: Rehearsal.End, _ channel: PeerChannel) -> RehearsalPlan.Tunnel {
        var standsBy: [String] = []
        if case .origin(let tunnel) = end {
            standsBy = tunnel.choice.standings.filter { $0.name != channel.peer.name && $0.isUsable }.map(\.name)
        }
        return RehearsalPlan.Tunnel(
            name: end.name, role: end.isOrigin ? .origin : .destination,
            openConnections: channel.connections.count { $0.usage === end.usage }, standsBy: standsBy)
    }

    // MARK: Paths

    /// A session's path in words.
    func pathWords(_ session: ChannelSession) -> String { pathWords(session.remote, session.local) }

    private func pathWords(_ remote: Endpoint, _ local: Endpoint?) -> String {
        let own = local?.addressText ?? "any"
        return remote.isForwarded ? forwarding.words(for: remote) : "\(own) -> \(remote)"
    }

    /// The paths of the channel that all these words fit; without any the one in use.
    private func paths(of channel: PeerChannel, _ words: [String]) throws(GatewayError) -> [Blackout.Path] {
        if words.isEmpty, let session = channel.sessionInUse { return [path(of: session)] }
        var found: [Blackout.Path] = []
        for session in channel.sessions where words.allSatisfy({ fits($0, session) }) {
            let path = path(of: session)
            if !found.contains(path) { found.append(path) }
        }
        guard !found.isEmpty else {
            let known = channel.sessions.map(pathWords).joined(separator: ", ")
            throw .unknownPath(
                "no path to \(channel.peer.name) has \(words.joined(separator: " and ")): there are \(known)")
        }
        return found
    }

    private func path(of session: ChannelSession) -> Blackout.Path {
        let routed = session.remote.isForwarded ? nil : SourceAddress.towards(session.remote)
        let local = session.local ?? routed
        // Without an address of ours the datagrams of the session leave as routed, and so does it.
        let isRouted = local.flatMap { own in routed.map(own.hasSameAddress(as:)) } ?? true
        return Blackout.Path(local: local?.withPort(0), remote: session.remote, isRouted: isRouted)
    }

    /// Whether a word names an end of the path: an address with or without its port, or an interface.
    private func fits(_ word: String, _ session: ChannelSession) -> Bool {
        for end in [session.remote, session.local].compactMap({ $0 }) where !end.isForwarded {
            if word == end.description || word == end.addressText { return true }
        }
        guard let local = session.local, let interface = network?.snapshot.interface(of: local) else { return false }
        return interface.name == word
    }

    /// Paths to the peer that answer and are not cut.
    private func otherPaths(of channel: PeerChannel, than blackout: Blackout) -> [String] {
        var result: [String] = []
        for snapshot in channel.transport.pathSnapshots where !snapshot.isDown && snapshot.probeCount == 0 {
            guard let session = channel.session(of: snapshot.id), !blackout.hides(session) else { continue }
            let words = pathWords(session)
            if !result.contains(words) { result.append(words) }
        }
        return result
    }
}

extension RehearsalTarget {
    /// Whether a peer is meant.
    fileprivate func names(_ link: PeerLink) -> Bool {
        link.name == peer || (peer.count >= 8 && link.id.text.hasPrefix(peer))
    }
}

extension RehearsalPlan {
    /// Says what would come to harm, and what else is to be known.
    mutating func judge() {
        if !otherPaths.isEmpty { return }
        let isPath = !paths.isEmpty
        for tunnel in tunnels {
            let count = "\(tunnel.openConnections) open connection\(tunnel.openConnections == 1 ? "" : "s")"
            let names = tunnel.standsBy.joined(separator: ", ")
            switch (tunnel.role, tunnel.openConnections > 0) {
            case (.origin, true) where tunnel.standsBy.isEmpty:
                wouldBreak.append("\(tunnel.name): \(count) would stand still, and nobody would take new ones")
            case (.origin, true) where isPath:
                wouldBreak.append("\(tunnel.name): \(count) would stand still; new ones would go to \(names)")
            case (.origin, true):
                notes.append("\(tunnel.name): \(count) stand still until it is back; new ones go to \(names)")
            case (.origin, false):
                notes.append(
                    "\(tunnel.name): "
                        + (names.isEmpty ? "nobody would take new connections" : "new connections go to \(names)"))
            case (.destination, true):
                wouldBreak.append("\(tunnel.name): \(count) of \(peer) would stand still")
            case (.destination, false): break
            }
        }
    }
}
