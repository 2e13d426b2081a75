import DXSocket
import DXWire
import Glibc
import Logging
import NIOCore

/// The destination end of a UDP tunnel: a socket for each flow of each origin, connected to the one target. Bound to the gateway's
/// event loop; `DestinationTunnel` owns it.
///
/// A flow begins with its first datagram, whichever that is, and ends when nothing came or went for the tunnel's idle time, with its
/// channel, and with its listener block. At the limits of connections the flow that is idle longest gives way, if it is for
/// `UDPOrigin.leastIdle`; else the datagram is dropped.
final class UDPDestination {
    /// Which flow: origins number them as they like.
    fileprivate struct Key: Hashable {
        var channel: ObjectIdentifier
        var internalPort: UInt32
        var number: UInt64
    }

    let core: GatewayCore
    private unowned let tunnel: DestinationTunnel
    private(set) var drops = DatagramDrops()
    private var flows: IdleTable<Key, UDPTargetFlow>
    private var usualTimeout: Interval
    private var policer: DatagramPolicer?
    private var refusals = DatagramRefusals()
    /// The target was said to be down, and has not answered since.
    private var isDown = false
    private var recentlyRefused = RecentRefusals<Key>()
    private var timer: WakeupTimer<UDPDestination>?

    init(_ configuration: GatewayConfiguration.Tunnel, of tunnel: DestinationTunnel, core: GatewayCore) {
        self.tunnel = tunnel
        self.core = core
        usualTimeout = configuration.flowIdleTimeout
        flows = IdleTable(idleTimeout: usualTimeout)
        policer = configuration.maximumRate.map { DatagramPolicer(bitsPerSecond: $0) }
        timer = WakeupTimer(on: core.eventLoop, handler: self)
    }

    /// The rate, for status.
    var rate: UInt64? { policer?.bitsPerSecond }

    // MARK: Life

    /// The tunnel's limits are others.
    func update(_ configuration: GatewayConfiguration.Tunnel) {
        usualTimeout = configuration.flowIdleTimeout
        setDraining(core.isDraining)
        policer = DatagramPolicer.updated(policer, to: configuration.maximumRate, now: core.currentTime())
        timer?.arm(at: flows.nextDeadline)
    }

    /// The gateway is about to stop, or not any more: then flows that rest for a moment are over.
    func setDraining(_ isDraining: Bool) {
        flows.idleTimeout = isDraining ? min(usualTimeout, UDPOrigin.drainingIdleTimeout) : usualTimeout
        timer?.arm(at: flows.nextDeadline)
    }

    /// Ends the flows over a channel.
    func endFlows(on channel: PeerChannel) {
        end(channel.end == nil ? .tunnelChanged : .channelLost) { $0.channel === channel }
    }

    /// Ends all flows.
    func close() {
        end(.tunnelChanged) { _ in true }
        timer?.cancel()
        timer = nil
    }

    private func end(_ how: AuditRecord.End, where isMeant: (UDPTargetFlow) -> Bool) {
        for flow in flows.removeAll(where: isMeant) { ended(flow, how) }
        timer?.arm(at: flows.nextDeadline)
    }

    private func ended(_ flow: UDPTargetFlow, _ how: AuditRecord.End) {
        flow.ticket?.end(how)
        flow.close()
        tunnel.usage.closed()
    }

    // MARK: From origins

    /// A datagram of a flow for the target.
    func received(_ datagram: RawSpan, of number: UInt64, internalPort: UInt32, on channel: PeerChannel) {
        let key = Key(channel: ObjectIdentifier(channel), internalPort: internalPort, number: number)
        let now = core.currentTime()
        guard let flow = flows.use(key, now: now) ?? begin(key, on: channel, now: now) else { return }
        flow.send(datagram)
    }

    private func begin(_ key: Key, on channel: PeerChannel, now: Instant) -> UDPTargetFlow? {
        if let refusal = refusal(over: channel, now: now) {
            let reason = refusal == .connections ? "as many flows are in use as may be" : refusal.reason
            if refuse(.limit, key, channel, reason) { core.count(refusal) }
            return nil
        }
        guard let target = tunnel.target?.host else {
            refuse(.noTarget, key, channel, "the tunnel has no target")
            return nil
        }
        let ticket = AuditTicket(
            core, tunnel: tunnel.name, role: .destination, networkProtocol: .udp, peer: channel.peer.name,
            target: target.description)
        let flow = UDPTargetFlow(
            number: key.number, internalPort: key.internalPort, channel: channel, destination: self, ticket: ticket)
        if let endpoint = target.endpoint {
            guard connect(flow, to: [endpoint], of: target) else { return nil }
        } else {
            lookUp(target, for: flow)
        }
        flows.insert(flow, for: key, now: now)
        tunnel.usage.opened()
        timer?.arm(at: flows.nextDeadline)
        return flow
    }

    /// Why no flow can begin. One that is idle gives its place, and its socket, to a new one.
    private func refusal(over channel: PeerChannel, now: Instant) -> ConnectionRefusal? {
        let refusal = core.refusal(of: tunnel.usage, over: channel, needsDescriptor: true)
        guard refusal == .connections || refusal == .descriptors,
            let idle = flows.removeOldest(idleFor: UDPOrigin.leastIdle, now: now)
        else { return refusal }
        ended(idle, .idle)
        return core.refusal(of: tunnel.usage, over: channel, needsDescriptor: true)
    }

    /// Looks a target up, for each flow anew: what a name means may change, and is for the policy to judge, not the name.
    private func lookUp(_ target: HostAddress, for flow: UDPTargetFlow) {
        let bound = NIOLoopBound((self, flow, flow.channel), eventLoop: core.eventLoop)
        NameResolver.resolve(target, at: core.gate).whenComplete { result in
            let (destination, flow, channel) = bound.value
            guard !flow.isOver else { return }
            switch result {
            case .success(let endpoints):
                if destination.connect(flow, to: endpoints, of: target) { return flow.sendHeld() }
            case .failure(let error): destination.refuse(.noTarget, flow.key, channel, "\(error)")
            }
            // The refusal has its record.
            flow.ticket = nil
            destination.end(.refused) { $0 === flow }
        }
    }

    /// Connects a flow to the first address that this gateway's policy allows and the system has a way to.
    private func connect(_ flow: UDPTargetFlow, to endpoints: [Endpoint], of target: HostAddress) -> Bool {
        let allowed = endpoints.filter { core.localPolicy?.allowsTarget($0) ?? true }
        guard !allowed.isEmpty else {
            refuse(.noTarget, flow.key, flow.channel, "this gateway's local policy does not allow \(target)")
            return false
        }
        var reason = ""
        for endpoint in allowed {
            do throws(BindError) {
                try flow.connect(to: endpoint)
                return true
            } catch { reason = Self.words(error.errnoCode) }
        }
        refuse(.noTarget, flow.key, flow.channel, "target \(target): \(reason)")
        return false
    }

    /// Counts a refused flow; false when it is a further datagram of one that was.
    @discardableResult
    private func refuse(_ drop: DatagramDrop, _ key: Key, _ channel: PeerChannel, _ reason: String) -> Bool {
        drops.count(drop)
        guard recentlyRefused.isNew(key, now: core.currentTime()) else { return false }
        tunnel.usage.refuse(reason, as: RefusalReason(drop))
        core.auditRefusal(
            tunnel: tunnel.name, role: .destination, networkProtocol: .udp, peer: channel.peer.name,
            target: tunnel.targetText, reason: reason)
        core.complain(
            "datagram refused", ["tunnel": tunnel.name, "origin": channel.peer.name, "reason": reason],
            limit: &channel.peer.complaints)
        return true
    }

    fileprivate static func words(_ errnoCode: Int32) -> String { unsafe String(cString: strerror(errnoCode)) }

    // MARK: From the target

    /// The target's datagram for a flow's client.
    fileprivate func answered(_ datagram: RawSpan, _ flow: UDPTargetFlow) {
        let now = core.currentTime()
        let key = flow.key
        // What a target goes on saying to a client that has moved must not keep a gateway that is about to stop.
        guard (core.isDraining ? flows[key] : flows.use(key, now: now)) === flow else { return }
        refusals.answered()
        if isDown {
            isDown = false
            tunnel.onAnswer()
        }
        guard policer?.take(datagram.byteCount, now: now) ?? true else { return drops.count(.rate) }
        let drop = flow.channel.sendFlow(
            .toClient, internalPort: flow.internalPort, flow: flow.number, datagram)
        if let drop { return drops.count(drop) }
        tunnel.usage.countFromClient(datagram.byteCount)
        flow.ticket?.countFromClient(datagram.byteCount)
    }

    /// A datagram went to the target.
    fileprivate func sent(_ byteCount: Int) { tunnel.usage.countToClient(byteCount) }

    /// A datagram was lost on its way to the target, for this errno; 0 when too many waited for its name.
    fileprivate func lost(_ errnoCode: Int32) {
        switch errnoCode {
        case 0: drops.count(.resolving)
        case ECONNREFUSED:
            drops.count(.refusedByTarget)
            tunnel.usage.lastError = "target \(tunnel.targetText ?? ""): nobody is at the port"
            guard refusals.refused(at: core.currentTime()) else { return }
            isDown = true
            tunnel.onRefusedDatagrams("nobody is at the port")
        default:
            drops.count(.system)
            tunnel.usage.lastError = "target \(tunnel.targetText ?? ""): \(Self.words(errnoCode))"
        }
    }

    /// The system closed a flow's socket.
    fileprivate func closed(_ flow: UDPTargetFlow) { end(.resetByTarget) { $0 === flow } }
}

@available(*, unavailable)
extension UDPDestination: Sendable {}

extension UDPDestination: WakeupHandler {
    func wakeupFired(now: Instant) {
        while let flow = flows.removeIdle(now: now) { ended(flow, .idle) }
        timer?.arm(at: flows.nextDeadline)
    }
}

/// One flow at the destination: its socket, or what waits for the target's name.
final class UDPTargetFlow {
    let number: UInt64
    let internalPort: UInt32
    let channel: PeerChannel
    /// What the audit record will tell of it; nil where none is kept.
    fileprivate var ticket: AuditTicket?
    private unowned let destination: UDPDestination
    private var socket: ApplicationSocket<UDPTargetFlow>?
    private var held: [[UInt8]] = []
    /// Its channel knows, too: it counts as memory that is held.
    private var heldByteCount = 0 {
        didSet { channel.flows.heldByteCount &+= heldByteCount &- oldValue }
    }
    private(set) var isOver = false
    fileprivate var key: UDPDestination.Key {
        UDPDestination.Key(channel: ObjectIdentifier(channel), internalPort: internalPort, number: number)
    }

    /// What waits for the target's name at most: a client that does not know that it has to wait sends no more at first.
    private static let mostHeld = 16
    private static let mostHeldBytes = 65_507

    fileprivate init(
        number: UInt64, internalPort: UInt32, channel: PeerChannel, destination: UDPDestination, ticket: AuditTicket?
    ) {
        self.ticket = ticket
        self.number = number
        self.internalPort = internalPort
        self.channel = channel
        self.destination = destination
    }

    /// Throws `BindError`.
    fileprivate func connect(to endpoint: Endpoint) throws(BindError) {
        socket = try ApplicationSocket(
            connectedTo: endpoint, on: destination.core.eventLoop, handler: self)
    }

    /// Sends a datagram to the target, or keeps it until the target's name is looked up.
    fileprivate func send(_ datagram: RawSpan) {
        guard let socket else {
            guard held.count < Self.mostHeld, heldByteCount + datagram.byteCount <= Self.mostHeldBytes else {
                return destination.lost(0)
            }
            heldByteCount += datagram.byteCount
            held.append(unsafe datagram.withUnsafeBytes { unsafe Array($0) })
            return
        }
        var code = socket.send(datagram)
        if code == ECONNREFUSED {
            // Said of one before, and said once; this one was not sent.
            destination.lost(code)
            code = socket.send(datagram)
        }
        guard code == 0 else { return destination.lost(code) }
        ticket?.countToClient(datagram.byteCount)
        destination.sent(datagram.byteCount)
    }

    /// The target's name is looked up.
    fileprivate func sendHeld() {
        let waiting = held
        letHeldGo()
        for datagram in waiting {
            let bytes = unsafe datagram.span.bytes
            send(bytes)
        }
    }

    fileprivate func close() {
        isOver = true
        socket?.close()
        socket = nil
        letHeldGo()
    }

    private func letHeldGo() {
        held = []
        heldByteCount = 0
    }
}

@available(*, unavailable)
extension UDPTargetFlow: Sendable {}

extension UDPTargetFlow: ApplicationSocketHandler {
    func received(
        _ datagram: RawSpan, from source: Endpoint, local: Endpoint?, on socket: ApplicationSocket<UDPTargetFlow>
    ) {
        if !isOver { destination.answered(datagram, self) }
    }

    func failed(_ errnoCode: Int32, on socket: ApplicationSocket<UDPTargetFlow>) {
        if !isOver { destination.lost(errnoCode) }
    }

    func closed(_ socket: ApplicationSocket<UDPTargetFlow>) {
        if !isOver { destination.closed(self) }
    }
}
