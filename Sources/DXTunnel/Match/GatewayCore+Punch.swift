import DXMatch
import DXSecure
import DXSocket
import DXWire
import Logging

/// A running gateway finds ways over its own sockets.
extension GatewayCore: MatchHost {
    var ownID: GatewayID { secure.identity.gatewayID }
    var boundEndpoints: [Endpoint] { socket?.localEndpoints ?? [] }
    var matchKeepalive: Interval { tuning.matchKeepalive }
    var takesJoiners: Bool { group?.invites.joinVeil != nil }

    var allowsLoopback: Bool { tuning.usesLoopback }
    var ownMatchmaker: (pin: GatewayID, endpoints: [Endpoint])? { service.map { ($0.pin, $0.ownEndpoints) } }
    var mapsPorts: Bool { group?.settings.mapsPorts ?? false }

    func chance() -> UInt64 { random.next() }

    func key(ofPeer peer: GatewayID) -> PublicKey? {
        secure.knownPeers.contains(peer) ? group?.key(of: peer) : nil
    }

    func veil(ofEpoch number: UInt64) -> VeilNumber? { secure.veil(ofEpoch: number) }

    func isSearched(_ peer: GatewayID) -> Bool { peersByID[peer].map { !$0.isHeard || $0.isForwarded } ?? false }

    func takeTicket(of pin: GatewayID, _ matchKey: PublicKey) -> MatchTicket? { group?.takeTicket(of: pin, matchKey) }

    func noteTicket() { group?.noteTicket() }

    func name(of peer: GatewayID) -> String { peersByID[peer]?.name ?? peer.text }

    func seal(_ check: RawSpan, to receiver: GatewayID, under veil: VeilNumber?) -> [UInt8]? {
        if let blackout, blackout.isOfWholePeer, blackout.peer == receiver { return nil }
        return secure.seal(check: check, to: receiver, under: veil)
    }

    func onWay(to peer: GatewayID, from base: Endpoint, to remote: Endpoint, priority: UInt64) {
        logger.debug(
            "a way to a peer was found",
            metadata: ["peer": "\(peersByID[peer]?.name ?? peer.text)", "from": "\(base)", "address": "\(remote)"])
        // Under the join veil nobody calls a member.
        let veil = match?.punches.runs[peer]?.veil.flatMap { $0.isJoin ? nil : $0 }
        let way = PeerLink.Way(base: base, remote: remote, priority: priority, veil: veil)
        // A gateway that joins is none of the peers: it calls.
        peersByID[peer]?.onWay(way, now: currentTime())
    }

    func onPunchEnded(with peer: GatewayID, _ failure: String?) {
        guard let failure else { return }
        match?.note(failure: failure, of: peer)
        logger.info(
            "no direct way to a peer was found", metadata: ["peer": "\(name(of: peer))", "reason": "\(failure)"])
        peersByID[peer]?.directFailed()
    }

    // MARK: Further sockets

    func openSockets(_ count: Int, beside base: Endpoint) -> [Endpoint] {
        // Two descriptors each.
        let opened = outlets.open(
            min(count, descriptors.room / 2), beside: base, bufferByteCount: configuration.limits.socketBufferBytes,
            on: eventLoop, handler: self)
        logger.debug("further sockets opened", metadata: ["count": "\(opened.count)", "beside": "\(base)"])
        return opened
    }

    /// The further socket from which a peer was reached last, opened again: behind a NAT that gives each destination a port of its
    /// own, the binding from there is the one that the peer knows. Nil for the gateway's own port, from which all else goes.
    func outlet(at base: Endpoint?) -> Endpoint? {
        // A path is chosen by an address alone: port 0 is the gateway's own.
        guard let base, base.port != 0, let socket, !socket.localEndpoints.contains(where: { $0.port == base.port })
        else { return nil }
        if outlets.has(base.port) { return base }
        logger.debug("a further socket is opened again", metadata: ["at": "\(base)"])
        return outlets.open(
            at: base, bufferByteCount: configuration.limits.socketBufferBytes, on: eventLoop, handler: self)
    }

    /// Lets a further socket go when no session is over it and no introduction uses it.
    func closeOutlet(at base: Endpoint?) {
        guard let base, outlets.has(base.port), !(match?.isPunching(from: base) ?? false) else { return }
        closeSockets([base])
    }

    func closeSockets(_ sockets: [Endpoint]) {
        guard !sockets.isEmpty else { return }
        let used = Set(sessions.compactMap { $0.local?.port })
        for socket in sockets where !used.contains(socket.port) { outlets.close(socket.port) }
    }

    /// Lets a further socket go when the last session over it has ended.
    func closeOutlet(of session: ChannelSession) {
        if !outlets.isEmpty { closeOutlet(at: session.local) }
    }
}
