import DXSecure
import DXWire
import Logging
import NIOCore

/// The gateway follows its group: members and tunnels come, change and go while all else goes on. In static mode nothing
/// here is called.
extension GatewayCore {
    /// Has the gateway be what the document says; what it is configured to be now.
    func apply(_ view: GroupView) -> GatewayConfiguration {
        let now = currentTime()
        let old = configuration
        if let name = view.name { configuration.name = name }
        configuration.peers = view.peers
        configuration.tunnels = view.tunnels
        applyPeers(view, now: now)
        if old.tunnels != view.tunnels || old.name != configuration.name || namesDiffer(old.peers, view.peers) {
            applyTunnels(view.tunnels)
            for channel in peers.compactMap(\.channel) { channel.refreshHold() }
        }
        if old.tunnels != view.tunnels || old.peers != view.peers || old.name != configuration.name {
            events.post(.configurationChanged(revision: group?.state.revision ?? 0))
        }
        tellStanding()
        scheduleTurn()
        return configuration
    }

    private func namesDiffer(_ old: [GatewayConfiguration.Peer], _ new: [GatewayConfiguration.Peer]) -> Bool {
        old.map(\.name) != new.map(\.name)
    }

    // MARK: Peers

    private func applyPeers(_ view: GroupView, now: Instant) {
        let ids = Set(view.peers.map(\.id))
        // First, so that a handshake which is under way ends, too.
        secure.knownPeers = ids
        forwarding.membersChanged()
        for peer in peers where !ids.contains(peer.id) {
            peer.cut(now: now)
            peersByID[peer.id] = nil
        }
        peers.removeAll { !ids.contains($0.id) }
        for peer in view.peers {
            let isWanted = view.wanted.contains(peer.id)
            if let link = peersByID[peer.id] {
                link.update(peer, isWanted: isWanted, now: now)
                continue
            }
            guard let role = secure.identity.gatewayID.role(towards: peer.id) else { continue }
            let link = PeerLink(peer, role: role, core: self)
            peers.append(link)
            peersByID[peer.id] = link
            if let place = group?.reach.places[peer.id] { link.remember(place) }
            link.update(peer, isWanted: isWanted, now: now)
            if isWanted { link.start(now: now) }
        }
        forwarding.membersChanged()
    }

    /// Ends channels that neither end needs: of members that asked whether they missed something, and of tunnels that are no
    /// more. 500 channels with one admin would cost it more than they are worth.
    func endNeedlessChannels(keeping kept: Set<GatewayID>, now: Instant) {
        for peer in peers where !kept.contains(peer.id) { peer.endIfNeedless(now: now) }
    }

    // MARK: Tunnels

    private func applyTunnels(_ tunnels: [GatewayConfiguration.Tunnel]) {
        let byName = Dictionary(
            tunnels.map { ($0.wireName ?? $0.name, $0) }, uniquingKeysWith: { first, _ in first })
        func stays(_ tunnel: OriginTunnel) -> Bool {
            byName[tunnel.wireName].map { isOrigin($0) && ($0.networkProtocol == .udp) == (tunnel.udp != nil) } ?? false
        }
        func stays(_ tunnel: DestinationTunnel) -> Bool {
            byName[tunnel.wireName].map { ownEnd($0) != nil && ($0.networkProtocol == .udp) == (tunnel.udp != nil) }
                ?? false
        }
        for tunnel in origins where !stays(tunnel) { tunnel.remove() }
        origins.removeAll { !stays($0) }
        for tunnel in destinations where !stays(tunnel) { tunnel.remove() }
        destinations.removeAll { !stays($0) }
        for tunnel in tunnels {
            if isOrigin(tunnel) { applyOrigin(tunnel) }
            if let end = ownEnd(tunnel) { applyDestination(tunnel, end) }
        }
    }

    private func isOrigin(_ tunnel: GatewayConfiguration.Tunnel) -> Bool {
        tunnel.origins.contains { $0.gateway == configuration.name }
    }

    private func ownEnd(_ tunnel: GatewayConfiguration.Tunnel) -> GatewayConfiguration.Destination? {
        tunnel.destinations.first { $0.gateway == configuration.name }
    }

    private func applyDestination(_ tunnel: GatewayConfiguration.Tunnel, _ end: GatewayConfiguration.Destination) {
        if let known = destinations.first(where: { $0.wireName == tunnel.wireName ?? tunnel.name }) {
            known.update(tunnel, target: end.address)
        } else {
            destinations.append(DestinationTunnel(tunnel, target: end.address, core: self))
        }
    }

    private func applyOrigin(_ tunnel: GatewayConfiguration.Tunnel) {
        let origin: OriginTunnel
        if let known = origins.first(where: { $0.wireName == tunnel.wireName ?? tunnel.name }) {
            origin = known
        } else {
            origin = OriginTunnel(tunnel, core: self)
            origins.append(origin)
        }
        origin.update(tunnel)
        lookUpListeners(of: tunnel, for: origin)
    }

    /// Takes the addresses of an origin, once they are looked up.
    private func lookUpListeners(of tunnel: GatewayConfiguration.Tunnel, for origin: OriginTunnel) {
        let own = tunnel.origins.filter { $0.gateway == configuration.name }
        let known = own.compactMap(ListenerPlace.known)
        // At once where there is nothing to look up.
        if known.count == own.count { return origin.listen(at: known.flatMap { $0 }) }
        let bound = NIOLoopBound((self, origin), eventLoop: eventLoop)
        let lookUps = own.map { ListenerPlace.lookUp($0, at: gate) }
        EventLoopFuture.whenAllSucceed(lookUps, on: eventLoop).whenComplete { result in
            let (core, origin) = bound.value
            switch result {
            case .success(let lists): origin.listen(at: lists.flatMap { $0 })
            case .failure(let error):
                origin.onLookUpFailed("\(error)") { [weak core, weak origin] in
                    if let core, let origin { core.lookUpListeners(of: tunnel, for: origin) }
                }
            }
        }
    }

    /// Tries again to take addresses that could not be had: whoever had them may be gone.
    func retryListeners() {
        guard !isStopping, succession != .yielded else { return }
        for tunnel in origins where tunnel.isMissing { tunnel.takeMissing() }
    }

    /// Has that done after a while, until there is none; in a group it is a part of what is done now and then.
    func retryListenersLater() {
        guard group == nil, !isRetryingListeners, !isStopping, succession != .yielded else { return }
        isRetryingListeners = true
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: .nanoseconds(tuning.groupUpkeepInterval.nanoseconds)) {
            let core = bound.value
            core.isRetryingListeners = false
            core.retryListeners()
            if core.origins.contains(where: \.isMissing) { core.retryListenersLater() }
        }
    }
}
