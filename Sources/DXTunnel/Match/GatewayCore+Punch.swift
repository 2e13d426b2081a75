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
        var settings = SocketConfiguration()
        settings.receiveBufferByteCount = configuration.limits.socketBufferBytes
        settings.sendBufferByteCount = configuration.limits.socketBufferBytes
        // One of hundreds will carry a session; all of them together must cost little.
        settings.sendQueueMessageCount = 64
        settings.stripeCount = 1
        var opened: [Endpoint] = []
        for _ in 0..<count {
            let outlet = try? UDPEndpoint(
                listen: ListenAddress(base.withPort(0)), configuration: settings, on: eventLoop, handler: self)
            // No descriptor is left: as many as there are will do.
            guard let outlet, let port = outlet.localEndpoints.first?.port else { break }
            outlets[port] = outlet
            opened.append(base.withPort(port))
        }
        return opened
    }

    func closeSockets(_ sockets: [Endpoint]) {
        guard !sockets.isEmpty else { return }
        let used = Set(sessions.compactMap { $0.local?.port })
        for socket in sockets where !used.contains(socket.port) { outlets.removeValue(forKey: socket.port)?.close() }
    }

    /// Lets a further socket go when the last session over it has ended.
    func closeOutlet(of session: ChannelSession) {
        guard !outlets.isEmpty, let local = session.local, outlets[local.port] != nil,
            !(match?.isPunching(from: local) ?? false)
        else { return }
        closeSockets([local])
    }
}
