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
    /// The embedding program, when it is the target.
    var acceptor: (@Sendable (TunnelStream) -> Void)?

    init(_ tunnel: GatewayConfiguration.Tunnel, target: HostAddress?, core: GatewayCore) {
        name = tunnel.name
        wireName = tunnel.wireName ?? tunnel.name
        origins = Set(tunnel.origins.map(\.gateway))
        usage = core.share.usage(of: tunnel, limiter: core.limiter(for: tunnel))
        self.target = target
        self.core = core
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
        usage.update(tunnel, on: core.eventLoop)
    }

    /// The tunnel is no more.
    func remove() {
        for channel in core.peers.compactMap(\.channel) {
            channel.withdraw(self, reason: "the tunnel was removed")
            channel.endStreams(of: usage)
        }
        usage.limiter?.cancel()
    }

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
            channel.setOwner(.tcp(bridge), of: id)
            do { try tcp.pipeline.syncOperations.addHandler(bridge) } catch {
                usage.closed()
                TCPReset.close(tcp)
                channel.abort(id, code: .aborted)
            }
        case .failure(let error):
            usage.closed()
            let code = Self.code(for: error)
            refuse(id, on: channel, code: code, "target \(targetText ?? ""): \(Self.words(for: error))")
        }
    }

    /// A refusal is a refusal; everything else is a target that cannot be reached.
    private static func code(for error: any Error) -> StreamCode {
        errno(of: error) == ECONNREFUSED ? .refused : .unreachable
    }

    private static func errno(of error: any Error) -> CInt? {
        if let error = error as? IOError { return error.errnoCode }
        if let error = error as? NIOConnectionError {
            return error.connectionErrors.lazy.compactMap { errno(of: $0.error) }.first
        }
        return nil
    }

    private static func words(for error: any Error) -> String {
        if let code = errno(of: error) { return unsafe String(cString: strerror(code)) }
        if let error = error as? NIOCore.ChannelError, case .connectTimeout = error { return "no answer in time" }
        if let error = error as? NIOConnectionError, error.connectionErrors.isEmpty {
            return "the name cannot be resolved"
        }
        return "\(error)"
    }
}

@available(*, unavailable)
extension DestinationTunnel: Sendable {}
