import DXMatch
import DXSecure
import DXSocket
import DXWire
import Logging

/// Introductions of a running gateway go over its own sockets.
extension GatewayCore: PunchHost {
    var ownID: GatewayID { secure.identity.gatewayID }

    func seal(_ check: RawSpan, to receiver: GatewayID, under veil: VeilNumber?) -> [UInt8]? {
        secure.seal(check: check, to: receiver, under: veil)
    }

    func send(_ datagram: [UInt8], to remote: Endpoint, from local: Endpoint) {
        send(unsafe datagram.span.bytes, to: remote, from: local)
    }

    func onWay(to peer: GatewayID, from base: Endpoint, to remote: Endpoint, priority: UInt64) {
        peersByID[peer]?.onWay(PeerLink.Way(base: base, remote: remote, priority: priority), now: currentTime())
    }

    func onPunchEnded(with peer: GatewayID, _ failure: String?) {
        guard let failure else { return }
        match?.note(failure: failure, of: peer)
        logger.info(
            "no direct way to a peer was found",
            metadata: ["peer": "\(peersByID[peer]?.name ?? peer.text)", "reason": "\(failure)"])
    }

    // MARK: Further sockets

    func openSockets(_ count: Int, beside base: Endpoint) -> [Endpoint] {
        var opened: [Endpoint] = []
        for _ in 0..<count {
            // No descriptor is left: as many as there are will do.
            guard let socket = openSocket(at: base.withPort(0)) else { break }
            opened.append(socket)
        }
        return opened
    }

    private func openSocket(at base: Endpoint) -> Endpoint? {
        var settings = SocketConfiguration()
        settings.receiveBufferByteCount = configuration.limits.socketBufferBytes
        settings.sendBufferByteCount = configuration.limits.socketBufferBytes
        // One of hundreds will carry a session; all of them together must cost little.
        settings.sendQueueMessageCount = 64
        settings.stripeCount = 1
        let outlet = try? UDPEndpoint(
            listen: ListenAddress(base), configuration: settings, on: eventLoop, handler: self)
        guard let outlet, let port = outlet.localEndpoints.first?.port else { return nil }
        outlets[port] = outlet
        return base.withPort(port)
    }

    /// The further socket from which a peer was reached last, opened again: behind a NAT that gives each destination a port of its
    /// own, the binding from there is the one that the peer knows. Nil for the gateway's own port, from which all else goes.
    func outlet(at base: Endpoint?) -> Endpoint? {
        guard let base, let socket, !socket.localEndpoints.contains(where: { $0.port == base.port }) else { return nil }
        return outlets[base.port] == nil ? openSocket(at: base) : base
    }

    /// Lets a further socket go when no session is over it and no introduction uses it.
    func closeOutlet(at base: Endpoint?) {
        guard let base, outlets[base.port] != nil, !(match?.isPunching(from: base) ?? false) else { return }
        closeSockets([base])
    }

    func closeSockets(_ sockets: [Endpoint]) {
        guard !sockets.isEmpty else { return }
        let used = Set(sessions.compactMap { $0.local?.port })
        for socket in sockets where !used.contains(socket.port) { outlets.removeValue(forKey: socket.port)?.close() }
    }

    /// Lets a further socket go when the last session over it has ended.
    func closeOutlet(of session: ChannelSession) {
        if !outlets.isEmpty { closeOutlet(at: session.local) }
    }
}
