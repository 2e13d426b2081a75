import DXStream
import DXWire
import Logging
import NIOCore

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
    /// Its flows, in a UDP tunnel; nil in one of TCP.
    private(set) var udp: UDPDestination?
    /// How long the target took to accept.
    private(set) var connectTimes = ConnectTimes()
    private let core: GatewayCore
    private(set) var target: TunnelAddress?
    /// Whether the target is told who its client is.
    private var proxyProtocol: Bool
    private var compression: GatewayConfiguration.Compression?
    /// Whether the connections of the origin that has asked last are compressed.
    private(set) var isCompressed = false
    private var check: GatewayConfiguration.HealthCheck?
    /// Whether the target takes connections; nil when the program is the target, and of UDP.
    private(set) var checker: TargetChecker?

    init(_ tunnel: GatewayConfiguration.Tunnel, target: TunnelAddress?, core: GatewayCore) {
        name = tunnel.name
        wireName = tunnel.wireName ?? tunnel.name
        origins = Set(tunnel.origins.map(\.gateway))
        usage = core.share.usage(of: tunnel, limiter: core.limiter(for: tunnel))
        usage.idle.update(tunnel.idleTimeout, on: core.eventLoop)
        self.target = target
        proxyProtocol = tunnel.proxyProtocol
        compression = tunnel.compression
        self.core = core
        if tunnel.networkProtocol == .udp { udp = UDPDestination(tunnel, of: self, core: core) }
        check = tunnel.healthCheck
        makeChecker()
    }

    // MARK: Health

    private func makeChecker() {
        checker?.stop()
        let tunnel = NIOLoopBound(Weak(self), eventLoop: core.eventLoop)
        checker = target.map { target in
            TargetChecker(usedCheck, of: target.port(0), tunnel: name, core: core) {
                tunnel.value.object?.onHealthChanged()
            }
        }
    }

    /// The checker belongs to its tunnel.
    private struct Weak {
        weak var object: DestinationTunnel?
        init(_ object: DestinationTunnel) { self.object = object }
    }

    /// Of UDP only a program knows whether a target is well; without one it goes by what is refused, as connections do.
    private var usedCheck: GatewayConfiguration.HealthCheck? {
        guard udp != nil else { return check }
        guard case .command = check?.kind else { return nil }
        return check
    }

    /// The target of a UDP tunnel has answered, after datagrams that were refused.
    func onAnswer() { checker?.connected() }

    /// Datagrams of a UDP tunnel are refused by the target's host: as many as it takes to be down.
    func onRefusedDatagrams(_ reason: String) {
        for _ in 0..<TargetHealth.passiveFall { checker?.connectionFailed(reason) }
    }

    private func onHealthChanged() {
        core.logger.notice(
            "target is \(checker?.state ?? .unknown)",
            metadata: ["tunnel": "\(name)", "target": "\(targetText ?? "")", "reason": "\(checker?.reason ?? "")"])
        core.events.post(
            .targetHealth(
                tunnel: name, state: TargetHealthStatus.State(checker?.state ?? .unknown),
                reason: checker?.reason?.onOneLine))
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
        if !hasBlock { checker?.stop() }
    }

    private var hasBlock: Bool { core.peers.contains { $0.channels.contains { $0.hasBlock(of: self) } } }

    /// The group says something else of it. Connections to another target, and of gateways that are origins no more, end;
    /// the others go on, under new limits.
    func update(_ tunnel: GatewayConfiguration.Tunnel, target: TunnelAddress?) {
        let newOrigins = Set(tunnel.origins.map(\.gateway))
        let isMoved = target != self.target
        let isOtherwise = (proxyProtocol, compression) != (tunnel.proxyProtocol, tunnel.compression)
        for channel in core.peers.flatMap(\.channels) {
            let isOut = !newOrigins.contains(channel.peer.name)
            guard isMoved || isOut || isOtherwise else { continue }
            channel.withdraw(
                self,
                reason: isOut
                    ? "not for this origin any more"
                    : isMoved ? "it has another target now" : "it has other options now")
            // Connections that are open go on as they began.
            if isMoved || isOut { channel.endStreams(of: usage) }
        }
        proxyProtocol = tunnel.proxyProtocol
        compression = tunnel.compression
        name = tunnel.name
        origins = newOrigins
        self.target = target
        if isMoved || tunnel.healthCheck != check {
            check = tunnel.healthCheck
            makeChecker()
            if hasBlock { checker?.start() }
            onHealthChanged()
        }
        usage.update(tunnel, on: core.eventLoop)
        udp?.update(tunnel)
    }

    /// The tunnel is no more.
    func remove() {
        for channel in core.peers.flatMap(\.channels) {
            channel.withdraw(self, reason: "the tunnel was removed")
            channel.endStreams(of: usage)
        }
        usage.cancel()
        udp?.close()
        checker?.stop()
    }

    /// The gateway has stopped.
    func stopChecking() { checker?.stop() }

    /// The target as text, for status.
    var targetText: String? { target?.description }

    /// Whether the target is told who its client is; the program itself is not.
    var writesProxyHeader: Bool { proxyProtocol && target != nil }

    /// Why the owner of this gateway does not let it lead to its target, as far as that can be told from the address.
    var forbidden: String? {
        guard let target, core.localPolicy?.allowsTarget(target) == false else { return nil }
        return "the destination's local policy does not allow \(target)"
    }

    /// What becomes of an activation.
    enum Answer {
        /// Streams will have these.
        case features(ActivationTerms.Features)
        /// The origin has not what the tunnel needs, in words.
        case impossible(String)
    }

    /// What streams of an origin will be like that offers this.
    func answer(to offer: ActivationTerms) -> Answer {
        guard udp == nil else { return .features([]) }
        var features: ActivationTerms.Features = []
        let portCount = target?.portCount ?? 1
        if portCount > 1 {
            guard offer.portCount == UInt64(portCount) else {
                return .impossible("the target has \(portCount) ports, and the origin listens at \(offer.portCount)")
            }
            features.insert(.head)
        }
        // The PROXY protocol needs it, and the audit record names the client, too, where the origin can tell.
        if writesProxyHeader || offer.features.contains(.head) { features.insert(.head) }
        // Wanted by both or not at all: it is no need of the tunnel's.
        if compression == .deflate, offer.features.contains(.deflate) { features.insert(.deflate) }
        guard offer.features.isSuperset(of: features) else {
            return .impossible("the origin's program is too old for the PROXY protocol and ranges of ports: update it")
        }
        isCompressed = features.contains(.deflate)
        return .features(features)
    }

    /// An origin opened a stream, and this is how it begins.
    func accept(_ id: StreamID, _ beginning: StreamBeginning, on channel: PeerChannel) {
        guard udp == nil else {
            return refuse(id, of: beginning.head.clientText, on: channel, code: .refused, "the tunnel is of UDP")
        }
        guard hasRoom(for: id, beginning, on: channel) else { return }
        if let target {
            guard beginning.head.port < UInt64(target.portCount) || target.portCount == 1 else {
                return refuse(
                    id, of: beginning.head.clientText, on: channel, code: .refused,
                    "the origin names a port that the target has not")
            }
            let address = target.port(Int(clamping: beginning.head.port))
            guard core.localPolicy?.targets != nil else { return connect(id, beginning, to: address, on: channel) }
            return connectIfAllowed(id, beginning, to: address, on: channel)
        }
        guard let acceptor = core.acceptors[name] else {
            return refuse(
                id, of: beginning.head.clientText, on: channel, code: .refused, "the program does not serve the tunnel")
        }
        let ticket = AuditTicket(
            core, tunnel: name, role: .destination, peer: channel.peer.name, client: beginning.head.clientText,
            target: "the program")
        let (lead, compression) = begin(beginning, ticket)
        let bridge = ProgramBridge(
            channel: channel, id: id, usage: usage, core: core, lead: lead, compression: compression, ticket: ticket)
        channel.setOwner(.program(bridge), of: id)
        acceptor.accept(bridge, core: core)
    }

    /// Whether a limit allows one more; refuses it otherwise.
    private func hasRoom(for id: StreamID, _ beginning: StreamBeginning, on channel: PeerChannel) -> Bool {
        guard let refusal = core.refusal(of: usage, over: channel, needsDescriptor: target != nil) else { return true }
        core.count(refusal)
        refuse(id, of: beginning.head.clientText, on: channel, code: .limit, refusal.reason, as: refusal.counted)
        return false
    }

    /// What the application gets before all that the stream has, and the stream's compression, which takes what was read already.
    private func begin(
        _ beginning: StreamBeginning, _ ticket: AuditTicket?
    ) -> (lead: ByteBuffer, compression: StreamCompression?) {
        var lead = ByteBuffer()
        if writesProxyHeader { lead.writeBytes(ProxyHeader.bytes(for: beginning.head.client)) }
        guard beginning.features.contains(.deflate) else {
            usage.countToClient(beginning.bytes.readableBytes)
            ticket?.countToClient(beginning.bytes.readableBytes)
            lead.writeImmutableBuffer(beginning.bytes)
            return (lead, nil)
        }
        let compression = StreamCompression()
        compression.add(beginning.bytes)
        return (lead, compression)
    }

    private func refuse(
        _ id: StreamID, of client: String?, on channel: PeerChannel, code: StreamCode, _ reason: String,
        as counted: RefusalReason? = nil
    ) {
        usage.refuse(reason, as: counted ?? RefusalReason(code))
        core.auditRefusal(
            tunnel: name, role: .destination, peer: channel.peer.name, client: client, target: targetText,
            reason: reason)
        core.complain(
            "connection refused", ["tunnel": name, "origin": channel.peer.name, "reason": reason],
            limit: &channel.peer.complaints)
        channel.abort(id, code: code)
    }

    /// Looks the target up first: what a name means is for the policy to judge, not the name.
    private func connectIfAllowed(
        _ id: StreamID, _ beginning: StreamBeginning, to target: TunnelAddress, on channel: PeerChannel
    ) {
        guard let host = target.host else {
            guard core.localPolicy?.allowsTarget(target) ?? true else {
                return refuseByPolicy(id, beginning, target, on: channel)
            }
            return connect(id, beginning, to: target, on: channel)
        }
        let bound = NIOLoopBound((self, channel), eventLoop: core.eventLoop)
        NameResolver.resolve(host, at: core.gate).whenComplete { result in
            let (tunnel, channel) = bound.value
            guard channel.isOwned(id) else { return }
            switch result {
            case .success(let endpoints):
                guard let allowed = endpoints.first(where: { tunnel.core.localPolicy?.allowsTarget($0) ?? true }) else {
                    return tunnel.refuseByPolicy(id, beginning, target, on: channel)
                }
                // Again: those whose names were being looked up are counted only from here on.
                guard tunnel.hasRoom(for: id, beginning, on: channel) else { return }
                tunnel.connect(
                    id, beginning, to: .tcp(HostAddress(host: allowed.addressText, port: allowed.port)),
                    on: channel)
            case .failure(let error):
                tunnel.refuse(id, of: beginning.head.clientText, on: channel, code: .unreachable, "\(error)")
            }
        }
    }

    private func refuseByPolicy(
        _ id: StreamID, _ beginning: StreamBeginning, _ target: TunnelAddress, on channel: PeerChannel
    ) {
        refuse(
            id, of: beginning.head.clientText, on: channel, code: .refused,
            "this gateway's local policy does not allow \(target)", as: .notAllowed)
    }

    private func connect(
        _ id: StreamID, _ beginning: StreamBeginning, to target: TunnelAddress, on channel: PeerChannel
    ) {
        let ticket = AuditTicket(
            core, tunnel: name, role: .destination, peer: channel.peer.name, client: beginning.head.clientText,
            target: target.description)
        let (lead, compression) = begin(beginning, ticket)
        // Counted from here on, so that a flood of connections to a slow target meets the limit.
        let bridge = TCPBridge(
            channel: channel, id: id, usage: usage, isUnix: target.host == nil, lead: lead, compression: compression,
            ticket: ticket)
        channel.setOwner(.connecting(self, bridge), of: id)
        let bound = NIOLoopBound((self, channel, bridge), eventLoop: core.eventLoop)
        let begun = core.currentTime()
        let connecting = TargetDial.connect(core, to: target) { channel.isOwned(id) && !channel.isReset(id) }
        connecting.whenComplete { result in
            let (tunnel, channel, bridge) = bound.value
            if case .success = result { tunnel.connectTimes.note(tunnel.core.currentTime() - begun) }
            tunnel.connected(result, id, bridge, of: beginning.head.clientText, to: target, on: channel)
        }
    }

    private func connected(
        _ result: Result<any Channel, any Error>, _ id: StreamID, _ bridge: TCPBridge, of client: String?,
        to target: TunnelAddress, on channel: PeerChannel
    ) {
        switch result {
        case .success(let tcp):
            guard channel.isOwned(id) else {
                bridge.onGivenUp(.resetByClient)
                usage.closed()
                return TCPReset.close(tcp)
            }
            checker?.connected()
            channel.setOwner(.tcp(bridge), of: id)
            do { try tcp.pipeline.syncOperations.addHandler(bridge) } catch {
                bridge.onGivenUp(.resetByTarget)
                usage.closed()
                TCPReset.close(tcp)
                channel.abort(id, code: .aborted)
            }
        case .failure(let error):
            usage.closed()
            let words = TargetConnection.words(for: error)
            // That this gateway has no descriptor says nothing of the target.
            // One port of several without a listener says nothing of the others.
            if !TargetConnection.isOwnTrouble(error), self.target?.portCount == 1 { checker?.connectionFailed(words) }
            // Nobody waits for the target any more: nothing was refused.
            guard channel.isOwned(id) else { return bridge.onGivenUp(.resetByClient) }
            refuse(id, of: client, on: channel, code: TargetConnection.code(for: error), "target \(target): \(words)")
        }
    }
}

@available(*, unavailable)
extension DestinationTunnel: Sendable {}
