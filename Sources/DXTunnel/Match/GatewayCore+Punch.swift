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

    func chance() -> UInt64 { random.next() }

    func key(ofPeer peer: GatewayID) -> PublicKey? {
        secure.knownPeers.contains(peer) ? group?.key(of: peer) : nil
    }

    func isSearched(_ peer: GatewayID) -> Bool { peersByID[peer].map { !$0.isHeard } ?? false }

    func name(of peer: GatewayID) -> String { peersByID[peer]?.name ?? peer.text }

    func seal(_ check: RawSpan, to receiver: GatewayID, under veil: VeilNumber?) -> [UInt8]? {
        secure.seal(check: check, to: receiver, under: veil)
    }

    func onWay(to peer: GatewayID, from base: Endpoint, to remote: Endpoint, priority: UInt64) {
        logger.debug(
            "a way to a peer was found",
            metadata: ["peer": "\(peersByID[peer]?.name ?? peer.text)", "from": "\(base)", "address": "\(remote)"])
        // A gateway that joins is none of the peers: it calls.
        peersByID[peer]?.onWay(PeerLink.Way(base: base, remote: remote, priority: priority), now: currentTime())
    }

    func onPunchEnded(with peer: GatewayID, _ failure: String?) {
        guard let failure else { return }
        match?.note(failure: failure, of: peer)
        logger.info("no direct way to a peer was found", metadata: ["peer": "\(name(of: peer))", "reason": "\(failure)"])
    }

    // MARK: Further sockets

    func openSockets(_ count: Int, beside base: Endpoint) -> [Endpoint] {
        outlets.open(
            count, beside: base, bufferByteCount: configuration.limits.socketBufferBytes, on: eventLoop, handler: self)
    }

    func closeSockets(_ sockets: [Endpoint]) {
        guard !sockets.isEmpty else { return }
        let used = Set(sessions.compactMap { $0.local?.port })
        for socket in sockets where !used.contains(socket.port) { outlets.close(socket.port) }
    }

    /// Lets a further socket go when the last session over it has ended.
    func closeOutlet(of session: ChannelSession) {
        guard !outlets.isEmpty, let local = session.local, outlets.has(local.port),
            !(match?.isPunching(from: local) ?? false)
        else { return }
        closeSockets([local])
    }
}
