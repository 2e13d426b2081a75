import DXSocket
import DXWire
import Logging
import NIOCore

/// The origin end of a UDP tunnel: each client, an address and port, is a flow of its own to one destination. Bound to the
/// gateway's event loop; `OriginTunnel` owns it and knows the destinations.
///
/// A flow begins with a client's datagram and needs no word of the destination's: every message says what it belongs to
/// (`docs/wire-format.md` §6.13.2). It ends when nothing came or went for `idleTimeout`, with its channel, and with the tunnel. At
/// the limits of connections the flow that is idle longest gives way, if it is for `leastIdle`; else the new client waits.
final class UDPOrigin {
    /// Who sends, and to where: what answers must come from, too.
    struct Client: Hashable {
        var endpoint: Endpoint
        var local: Endpoint?
        var socket: ObjectIdentifier
    }

    /// What one client says, and is told.
    private final class Flow {
        let client: Client
        let number: UInt64
        let channel: PeerChannel
        let internalPort: UInt32
        let listener: UDPListener
        let socket: ApplicationSocket<UDPListener>
        let ticket: AuditTicket?

        init(
            _ client: Client, number: UInt64, to place: Place, listener: UDPListener,
            socket: ApplicationSocket<UDPListener>, ticket: AuditTicket?
        ) {
            self.ticket = ticket
            self.client = client
            self.number = number
            channel = place.channel
            internalPort = place.internalPort
            self.listener = listener
            self.socket = socket
        }
    }

    /// A listener block of a destination.
    struct Place {
        var channel: PeerChannel
        var internalPort: UInt32
    }

    let core: GatewayCore
    private unowned let tunnel: OriginTunnel
    private(set) var listeners: [UDPListener] = []
    private(set) var drops = DatagramDrops()
    private var flows: IdleTable<Client, Flow>
    private var usualTimeout: Interval
    private var clients: [UInt64: Client] = [:]
    private var nextNumber: UInt64 = 1
    private var policer: DatagramPolicer?
    private var timer: WakeupTimer<UDPOrigin>?
    private var recentlyRefused = RecentRefusals<Client>()
    /// Anyone who reaches a listener can have datagrams refused.
    private var complaints = ComplaintLimit()

    /// How long a flow is idle when none is said: conntrack's and most routers' time for UDP is 30 s to 3 min, and a resolver's
    /// client needs seconds.
    static let usualIdleTimeout = Interval.seconds(60)
    /// The same where the gateway is about to stop: what a slow answer takes.
    static let drainingIdleTimeout = Interval.seconds(5)
    /// A flow that was in use so lately gives way to no other.
    static let leastIdle = Interval.seconds(1)

    init(_ configuration: GatewayConfiguration.Tunnel, of tunnel: OriginTunnel, core: GatewayCore) {
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

    /// Takes a local address. Throws `GatewayError.listen`.
    func reserve(_ place: ListenerPlace) throws(GatewayError) {
        listeners.append(try UDPListener(place, origin: self))
    }

    /// Gives a local address up, with the flows that came there.
    func release(_ listener: UDPListener) {
        listener.release()
        listeners.removeAll { $0 === listener }
        end(.tunnelChanged) { $0.listener === listener }
    }

    /// A socket was closed by an error: nobody has the address any more.
    func lost(_ listener: UDPListener) {
        guard listeners.contains(where: { $0 === listener }) else { return }
        release(listener)
        tunnel.lost(listener.place)
    }

    /// The gateway is about to stop, or not any more: then flows that rest for a moment are over.
    func setDraining(_ isDraining: Bool) {
        flows.idleTimeout = isDraining ? min(usualTimeout, Self.drainingIdleTimeout) : usualTimeout
        timer?.arm(at: flows.nextDeadline)
    }

    /// Lets clients in, or no more.
    func setOpen(_ isOpen: Bool) { for listener in listeners { listener.setOpen(isOpen) } }

    /// The tunnel's limits are others.
    func update(_ configuration: GatewayConfiguration.Tunnel) {
        usualTimeout = configuration.flowIdleTimeout
        setDraining(core.isDraining)
        policer = DatagramPolicer.updated(policer, to: configuration.maximumRate, now: core.currentTime())
        timer?.arm(at: flows.nextDeadline)
    }

    /// Ends the flows over a channel.
    func endFlows(on channel: PeerChannel) {
        end(channel.end == nil ? .tunnelChanged : .channelLost) { $0.channel === channel }
    }

    /// Ends all flows, and gives the addresses up.
    func close() {
        for listener in listeners { listener.release() }
        listeners.removeAll()
        end(.tunnelChanged) { _ in true }
        timer?.cancel()
        timer = nil
    }

    private func end(_ how: AuditRecord.End, where isMeant: (Flow) -> Bool) {
        for flow in flows.removeAll(where: isMeant) { ended(flow, how) }
        timer?.arm(at: flows.nextDeadline)
    }

    private func ended(_ flow: Flow, _ how: AuditRecord.End) {
        flow.ticket?.end(how)
        clients[flow.number] = nil
        tunnel.usage.closed()
    }

    // MARK: From clients

    /// A client's datagram.
    func received(
        _ datagram: RawSpan, from client: Client, at listener: UDPListener, on socket: ApplicationSocket<UDPListener>
    ) {
        let now = core.currentTime()
        guard let flow = flow(of: client, at: listener, on: socket, now: now) else { return }
        guard policer?.take(datagram.byteCount, now: now) ?? true else { return drops.count(.rate) }
        let drop = flow.channel.sendFlow(
            .toTarget, internalPort: flow.internalPort, flow: flow.number, datagram)
        if let drop { return drops.count(drop) }
        tunnel.usage.countFromClient(datagram.byteCount)
        flow.ticket?.countFromClient(datagram.byteCount)
    }

    /// The client's flow, or a new one; nil when there can be none, which is counted.
    private func flow(
        of client: Client, at listener: UDPListener, on socket: ApplicationSocket<UDPListener>, now: Instant
    ) -> Flow? {
        var better: OriginTunnel.Chosen?
        if let known = flows.use(client, now: now) {
            // Over a silent channel nothing comes back; whoever is heard is better.
            let isLost = tunnel.isActive && tunnel.isSuspended(known.channel)
            if !isLost { better = otherDestination(than: known, client) }
            guard isLost || better != nil else { return known }
            flows.remove(client)
            ended(known, isLost ? .channelLost : .moved)
        }
        guard tunnel.isAllowed(client.endpoint) else {
            refuse(.notAllowed, client, "client \(client.endpoint.addressText) is not allowed")
            return nil
        }
        guard let place = place(for: client, better, now: now) else { return nil }
        let ticket = AuditTicket(
            core, tunnel: tunnel.name, role: .origin, networkProtocol: .udp, peer: place.channel.peer.name,
            client: "\(client.endpoint)")
        let flow = Flow(client, number: nextNumber, to: place, listener: listener, socket: socket, ticket: ticket)
        nextNumber &+= 1
        flows.insert(flow, for: client, now: now)
        clients[flow.number] = client
        tunnel.usage.opened()
        timer?.arm(at: flows.nextDeadline)
        return flow
    }

    /// Where a flow is better begun anew; nil when it is as well where it is, or can be nowhere else.
    private func otherDestination(than flow: Flow, _ client: Client) -> OriginTunnel.Chosen? {
        guard tunnel.isAvoided(flow.channel), tunnel.isActive, core.memoryRefusal(over: nil) == nil,
            case .found(let other) = tunnel.search(client: Array(client.endpoint.addressText.utf8)),
            other.channel !== flow.channel
        else { return nil }
        return other
    }

    /// Where a client's new flow goes; nil when there can be none, which is counted. One that is idle gives its place to it, unless it
    /// has none for another reason.
    ///
    /// - Parameter chosen: where it goes, if that is known.
    private func place(for client: Client, _ chosen: OriginTunnel.Chosen?, now: Instant) -> Place? {
        if let refusal = core.memoryRefusal(over: nil) {
            refuse(refusal, client)
            return nil
        }
        let place: Place
        switch chosen.map({ .found($0) }) ?? tunnel.search(client: Array(client.endpoint.addressText.utf8)) {
        case .found(let chosen): place = Place(channel: chosen.channel, internalPort: chosen.internalPort)
        case .full(let refusal):
            refuse(refusal, client)
            return nil
        case .none:
            refuse(.noDestination, client, "no destination is connected")
            return nil
        }
        if !tunnel.usage.hasRoom, let idle = flows.removeOldest(idleFor: Self.leastIdle, now: now) {
            ended(idle, .idle)
        }
        if let refusal = core.refusal(of: tunnel.usage, over: place.channel, needsDescriptor: false) {
            refuse(refusal, client)
            return nil
        }
        return place
    }

    private func refuse(_ refusal: ConnectionRefusal, _ client: Client) {
        let reason = refusal == .connections ? "as many flows are in use as may be" : refusal.reason
        if refuse(.limit, client, reason) { core.count(refusal) }
    }

    /// Counts a refused flow; false when it is a further datagram of one that was.
    @discardableResult
    private func refuse(_ drop: DatagramDrop, _ client: Client, _ reason: String) -> Bool {
        drops.count(drop)
        guard recentlyRefused.isNew(client, now: core.currentTime()) else { return false }
        tunnel.usage.refuse(reason, as: RefusalReason(drop))
        core.auditRefusal(
            tunnel: tunnel.name, role: .origin, networkProtocol: .udp, client: "\(client.endpoint)", reason: reason)
        core.complain(
            "datagram refused", ["tunnel": tunnel.name, "client": "\(client.endpoint)", "reason": reason],
            limit: &complaints)
        return true
    }

    // MARK: From destinations

    /// Whether there is such a flow over that channel.
    func has(_ number: UInt64, internalPort: UInt32, on channel: PeerChannel) -> Bool {
        guard let client = clients[number], let flow = flows[client] else { return false }
        return flow.channel === channel && flow.internalPort == internalPort
    }

    /// The target's answer to a flow that `has` knows.
    func answered(_ number: UInt64, _ datagram: RawSpan) {
        guard let client = clients[number], let flow = flows.use(client, now: core.currentTime()) else { return }
        guard flow.socket.send(datagram, to: client.endpoint, from: client.local) == 0 else {
            return drops.count(.system)
        }
        tunnel.usage.countToClient(datagram.byteCount)
        flow.ticket?.countToClient(datagram.byteCount)
    }
}

@available(*, unavailable)
extension UDPOrigin: Sendable {}

extension UDPOrigin: WakeupHandler {
    func wakeupFired(now: Instant) {
        while let flow = flows.removeIdle(now: now) { ended(flow, .idle) }
        timer?.arm(at: flows.nextDeadline)
    }
}

extension GatewayConfiguration.Tunnel {
    /// How long a flow may be idle, as the event loop counts.
    var flowIdleTimeout: Interval {
        idleTimeout.map { Interval($0) } ?? UDPOrigin.usualIdleTimeout
    }
}
