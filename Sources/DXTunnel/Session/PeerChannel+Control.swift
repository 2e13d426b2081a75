import DXStream
import DXWire
import Logging
import NIOCore

/// What the two ends tell each other beside streams (`docs/wire-format.md` §7): listener blocks, targets, leaving, echoes.
extension PeerChannel {
    func send(_ message: TunnelMessage) {
        do { try transport.sendControl(ByteBuffer(bytes: message.encoded), now: now) } catch {
            core.complain(
                "control message dropped", ["peer": peer.name, "error": "\(error)"], limit: &peer.complaints)
        }
        core.mark(self)
    }

    func readControl() {
        while let bytes = transport.readControl() { messageReader.append(bytes) }
        do throws(DecodeError) {
            while let message = try messageReader.next() { receive(message) }
        } catch {
            transport.close(.protocolViolation, reason: "malformed control message", now: now)
        }
        core.mark(self)
    }

    private func receive(_ message: TunnelMessage) {
        switch message {
        case .activate(let request, let name, let offer): receiveActivate(request, name, of: .tcp, offer)
        case .activateUDP(let request, let name): receiveActivate(request, name, of: .udp, ActivationTerms())
        case .activated(let request, let port, let terms):
            guard let tunnel = requests.removeValue(forKey: request) else { return }
            tunnel.onActivated(by: self, internalPort: port, features: terms.features)
        case .refused(let request, _, let reason):
            guard let tunnel = requests.removeValue(forKey: request) else { return }
            core.complain(
                "tunnel refused by its destination", ["tunnel": tunnel.name, "peer": peer.name, "reason": reason],
                limit: &peer.complaints)
            tunnel.onRefused(by: self, reason: reason)
        case .deactivated(let port, let reason): core.deactivate(internalPort: port, on: self, reason: reason)
        case .target(let port, let state, let reason):
            for tunnel in core.origins where tunnel.onTarget(of: self, internalPort: port, state, reason) { break }
        case .leaving(let isLeaving):
            guard isPeerLeaving != isLeaving else { return }
            isPeerLeaving = isLeaving
            // It may say so as often as it likes.
            if peer.complaints.take(now: now).isAllowed {
                core.logger.info(
                    isLeaving ? "peer is about to stop: new connections go elsewhere" : "peer stays",
                    metadata: ["peer": "\(peer.name)"])
            }
            core.refreshOrigins()
        case .succession: peer.onSuccession(of: self)
        case .echo(let token): send(.echoed(token: token))
        case .echoed(let token):
            guard let echo = echoes.removeValue(forKey: token) else { return }
            echo.promise.succeed(now - echo.sentAt)
        case .unknown: break
        }
    }

    /// Asks the peer for the listener block of a tunnel.
    func activate(_ tunnel: OriginTunnel) {
        guard !requests.values.contains(where: { $0 === tunnel }) else { return }
        guard tunnel.udp == nil || peerCapabilities & Bind.carriesFlows != 0 else {
            // Asked for as any other it would be made one of TCP.
            return tunnel.onRefused(by: self, reason: "its version of dxgateway knows no UDP tunnels")
        }
        requests[nextRequest] = tunnel
        send(
            tunnel.udp == nil
                ? .activate(request: nextRequest, tunnel: tunnel.wireName, terms: tunnel.offer)
                : .activateUDP(request: nextRequest, tunnel: tunnel.wireName))
        nextRequest &+= 1
    }

    /// Makes a listener block if this gateway's own file lets the peer reach the tunnel; says no in the same words whether
    /// the tunnel does not exist or is not for the peer.
    private func receiveActivate(
        _ request: UInt64, _ name: String, of networkProtocol: GatewayConfiguration.NetworkProtocol,
        _ offer: ActivationTerms
    ) {
        guard let tunnel = core.destination(named: name, of: networkProtocol, for: peer) else {
            core.drops.refusedActivations &+= 1
            core.complain(
                "activation refused: no such tunnel for this peer", ["tunnel": name, "peer": peer.name],
                limit: &peer.complaints)
            send(
                .refused(
                    request: request, code: .notAllowed,
                    reason:
                        "the destination has no \(networkProtocol == .udp ? "UDP " : "")tunnel of this name for this"
                        + " origin"))
            return
        }
        if let reason = tunnel.forbidden {
            return send(.refused(request: request, code: .notAllowed, reason: reason))
        }
        let features: ActivationTerms.Features
        switch tunnel.answer(to: offer) {
        case .features(let found): features = found
        case .impossible(let reason):
            core.complain(
                "activation refused", ["tunnel": tunnel.name, "peer": peer.name, "reason": reason],
                limit: &peer.complaints)
            return send(.refused(request: request, code: .unsupported, reason: reason))
        }
        guard blocks.count < Self.maximumBlocks else {
            send(.refused(request: request, code: .limit, reason: "too many listener blocks"))
            return
        }
        let wasActivated = blocks.contains { $0.value.tunnel === tunnel }
        blocks = blocks.filter { $0.value.tunnel !== tunnel }
        var port: UInt32
        repeat { port = core.secretRandomPort() } while blocks[port] != nil || port == GroupStream.internalPort
        blocks[port] = ListenerBlock(tunnel: tunnel, features: features)
        tunnel.onActivated()
        if !wasActivated {
            core.logger.info("tunnel activated", metadata: ["tunnel": "\(tunnel.name)", "origin": "\(peer.name)"])
        }
        send(.activated(request: request, internalPort: port, terms: ActivationTerms(features: features)))
        tellTarget(of: tunnel)
    }

    /// Tells the peer what is known of a tunnel's target, if it has a listener block for it.
    func tellTarget(of tunnel: DestinationTunnel) {
        guard let port = blocks.first(where: { $0.value.tunnel === tunnel })?.key else { return }
        let state = tunnel.checker?.state ?? .unknown
        let reason = state == .down ? tunnel.checker?.reason ?? "" : ""
        send(.target(internalPort: port, state: state, reason: reason))
    }

    /// Whether the peer has a listener block for a tunnel.
    func hasBlock(of tunnel: DestinationTunnel) -> Bool { blocks.contains { $0.value.tunnel === tunnel } }

    /// Takes the peer's listener block for a tunnel away, if it has one.
    func withdraw(_ tunnel: DestinationTunnel, reason: String) {
        tunnel.udp?.endFlows(on: self)
        for (port, block) in blocks where block.tunnel === tunnel {
            blocks[port] = nil
            send(.deactivated(internalPort: port, reason: reason))
        }
    }

    /// The UDP tunnel of a listener block of this gateway's.
    func flowDestination(_ internalPort: UInt32) -> UDPDestination? { blocks[internalPort]?.tunnel.udp }

    /// The peer said what makes no sense.
    func breakOff(_ reason: String) {
        transport.close(.protocolViolation, reason: reason, now: now)
        core.mark(self)
    }

    /// Measures a round trip through both gateways.
    func ping(_ promise: EventLoopPromise<Interval>) {
        guard transport.isOpen, echoes.count < Self.maximumEchoes else {
            promise.fail(GatewayError.notConnected(peer.name))
            return
        }
        let token = core.random.next()
        echoes[token] = (now, promise)
        send(.echo(token: token))
    }
}
