import DXStream
import DXWire
import Logging
import NIOCore
import NIOPosix

/// The destination end of a tunnel: connects each stream to the one target. Bound to the gateway's event loop.
final class DestinationTunnel {
    private(set) var name: String
    /// What origins ask for it by.
    let wireName: String
    let usage: TunnelUsage
    /// The names of the gateways that may reach it.
    private(set) var origins: Set<String>
    /// An origin has asked for its listener block.
    var isActivated = false
    private let core: GatewayCore
    private var target: HostAddress?
    private var check: GatewayConfiguration.HealthCheck?
    /// Whether the target takes connections; nil when the program is the target.
    private(set) var checker: TargetChecker?
    /// The embedding program, when it is the target.
    var acceptor: (@Sendable (TunnelStream) -> Void)?

    init(_ tunnel: GatewayConfiguration.Tunnel, target: HostAddress?, core: GatewayCore) {
        name = tunnel.name
        wireName = tunnel.wireName ?? tunnel.name
        origins = Set(tunnel.origins.map(\.gateway))
        usage = core.share.usage(of: tunnel, limiter: core.limiter(for: tunnel))
        self.target = target
        self.core = core
        check = tunnel.healthCheck
        makeChecker()
    }

    // MARK: Health

    private func makeChecker() {
        checker?.stop()
        let tunnel = NIOLoopBound(Weak(self), eventLoop: core.eventLoop)
        checker = target.map { target in
            TargetChecker(check, of: target, tunnel: name, core: core) { tunnel.value.object?.onHealthChanged() }
        }
    }

    /// The checker belongs to its tunnel.
    private struct Weak {
        weak var object: DestinationTunnel?
        init(_ object: DestinationTunnel) { self.object = object }
    }

    private func onHealthChanged() {
        core.logger.notice(
            "target is \(checker?.state ?? .unknown)",
            metadata: ["tunnel": "\(name)", "target": "\(targetText ?? "")", "reason": "\(checker?.reason ?? "")"])
        for channel in core.peers.compactMap(\.channel) { channel.tellTarget(of: self) }
    }

    /// What is known of the target; nil when that is the program.
    var healthStatus: TargetHealthStatus? {
        checker.map {
            TargetHealthStatus(
                state: TargetHealthStatus.State($0.state), reason: $0.reason, check: check.map { "\($0.kind)" })
        }
    }

    /// An origin has a listener block.
    func onActivated() {
        isActivated = true
        checker?.start()
    }

    /// An origin has its listener block no more: without any other nobody asks whether the target is well.
    func onBlockGone() {
        if !core.peers.contains(where: { $0.channel?.hasBlock(of: self) ?? false }) { checker?.stop() }
    }

    /// The group says something else of it. Connections to another target, and of gateways that are origins no more, end;
    /// the others go on, under new limits.
    func update(_ tunnel: GatewayConfiguration.Tunnel, target: HostAddress?) {
        let newOrigins = Set(tunnel.origins.map(\.gateway))
        let isMoved = target != self.target
        for channel in core.peers.compactMap(\.channel) {
            let isOut = !newOrigins.contains(channel.peer.name)
            guard isMoved || isOut else { continue }
            channel.withdraw(self, reason: isOut ? "not for this origin any more" : "it has another target now")
            channel.endStreams(of: usage)
        }
        name = tunnel.name
        origins = newOrigins
        self.target = target
        if isMoved || tunnel.healthCheck != check {
            check = tunnel.healthCheck
            makeChecker()
            if isActivated { checker?.start() }
            onHealthChanged()
        }
        usage.update(tunnel, on: core.eventLoop)
    }

    /// The tunnel is no more.
    func remove() {
        for channel in core.peers.compactMap(\.channel) {
            channel.withdraw(self, reason: "the tunnel was removed")
            channel.endStreams(of: usage)
        }
        usage.limiter?.cancel()
        checker?.stop()
    }

    /// The gateway has stopped.
    func stopChecking() { checker?.stop() }

    /// The target as text, for status.
    var targetText: String? { target?.description }

    /// Why the owner of this gateway does not let it lead to its target, as far as that can be told from the address.
    var forbidden: String? {
        guard let endpoint = target?.endpoint, core.localPolicy?.allowsTarget(endpoint) == false else { return nil }
        return "the destination's local policy does not allow \(endpoint)"
    }

    /// An origin opened a stream.
    func accept(_ id: StreamID, on channel: PeerChannel) {
        guard usage.hasRoom else {
            return refuse(id, on: channel, code: .limit, "as many connections are open as may be")
        }
        if let target {
            guard core.localPolicy?.targets != nil else { return connect(id, to: target, on: channel) }
            return connectIfAllowed(id, to: target, on: channel)
        }
        guard let acceptor else {
            return refuse(id, on: channel, code: .refused, "the program does not serve the tunnel")
        }
        let bridge = ProgramBridge(channel: channel, id: id, usage: usage, core: core)
        channel.setOwner(.program(bridge), of: id)
        acceptor(TunnelStream(bridge: bridge, gate: core.gate))
    }

    private func refuse(_ id: StreamID, on channel: PeerChannel, code: StreamCode, _ reason: String) {
        usage.refuse(reason)
        core.complain(
            "connection refused", ["tunnel": name, "origin": channel.peer.name, "reason": reason],
            limit: &channel.peer.complaints)
        channel.abort(id, code: code)
    }

    /// Looks the target up first: what a name means is for the policy to judge, not the name.
    private func connectIfAllowed(_ id: StreamID, to target: HostAddress, on channel: PeerChannel) {
        let bound = NIOLoopBound((self, channel), eventLoop: core.eventLoop)
        NameResolver.resolve(target, on: core.eventLoop).whenComplete { result in
            let (tunnel, channel) = bound.value
            guard channel.isOwned(id) else { return }
            switch result {
            case .success(let endpoints):
                guard let allowed = endpoints.first(where: { tunnel.core.localPolicy?.allowsTarget($0) ?? true }) else {
                    return tunnel.refuse(
                        id, on: channel, code: .refused, "this gateway's local policy does not allow \(target)")
                }
                tunnel.connect(
                    id, to: HostAddress(host: allowed.addressText, port: allowed.port), on: channel)
            case .failure(let error): tunnel.refuse(id, on: channel, code: .unreachable, "\(error)")
            }
        }
    }

    private func connect(_ id: StreamID, to target: HostAddress, on channel: PeerChannel) {
        // Counted from here on, so that a flood of connections to a slow target meets the limit.
        let bridge = TCPBridge(channel: channel, id: id, usage: usage)
        let bound = NIOLoopBound((self, channel, bridge), eventLoop: core.eventLoop)
        ClientBootstrap(group: core.eventLoop)
            .connectTimeout(core.connectTimeout)
            .channelOption(.autoRead, value: false)
            .channelOption(.maxMessagesPerRead, value: TCPBridge.messagesPerRead)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.writeBufferWaterMark, value: TCPBridge.waterMark)
            .connect(host: target.host, port: Int(target.port))
            .whenComplete { result in
                let (tunnel, channel, bridge) = bound.value
                tunnel.connected(result, id, bridge, on: channel)
            }
    }

    private func connected(
        _ result: Result<any Channel, any Error>, _ id: StreamID, _ bridge: TCPBridge, on channel: PeerChannel
    ) {
        switch result {
        case .success(let tcp):
            guard channel.isOwned(id) else {
                usage.closed()
                return TCPReset.close(tcp)
            }
            checker?.connected()
            channel.setOwner(.tcp(bridge), of: id)
            do { try tcp.pipeline.syncOperations.addHandler(bridge) } catch {
                usage.closed()
                TCPReset.close(tcp)
                channel.abort(id, code: .aborted)
            }
        case .failure(let error):
            usage.closed()
            let words = TargetConnection.words(for: error)
            checker?.connectionFailed(words)
            refuse(
                id, on: channel, code: TargetConnection.code(for: error), "target \(targetText ?? ""): \(words)")
        }
    }
}

@available(*, unavailable)
extension DestinationTunnel: Sendable {}
