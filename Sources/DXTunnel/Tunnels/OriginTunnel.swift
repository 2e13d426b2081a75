import DXStream
import DXWire
import Logging
import NIOCore

/// The origin end of a tunnel: the local listeners, and which destinations have activated it. Bound to the gateway's event
/// loop.
final class OriginTunnel {
    private(set) var name: String
    /// What destinations know it by.
    let wireName: String
    let usage: TunnelUsage
    /// The destinations, in order of preference.
    private var ends: [GatewayConfiguration.Destination]
    /// Their names.
    var destinations: [String] { ends.map(\.gateway) }
    private(set) var listeners: [TCPListener] = []
    let core: GatewayCore
    private(set) var streamClass: StreamClass
    private(set) var share: Int
    /// Which destination is next.
    private(set) var choice: DestinationChoice
    /// From where clients may connect; empty: from anywhere.
    private var allowed: [AddressRange]
    /// How long to wait before a destination that refused is asked again.
    private var pauses: [ObjectIdentifier: Interval] = [:]
    /// Addresses that could not be had.
    private var missing: [(address: HostAddress, endpoint: Endpoint)] = []
    private var isRemoved = false
    private var active: [Activation] = []
    private var failure: String?
    /// Anyone who can connect to a listener can have a connection refused.
    private var complaints = ComplaintLimit()

    /// A destination that has a listener block for the tunnel.
    private struct Activation {
        var channel: PeerChannel
        var internalPort: UInt32
        /// The channel is silent: nothing new is sent there until it is heard again.
        var isSuspended = false
        /// What it said of its target; nil when it is of a version that says nothing.
        var target: TargetHealth.State?
        var reason = ""
    }

    init(_ tunnel: GatewayConfiguration.Tunnel, core: GatewayCore) {
        name = tunnel.name
        wireName = tunnel.wireName ?? tunnel.name
        allowed = tunnel.allowed
        ends = tunnel.destinations
        choice = DestinationChoice(
            tunnel.destinations, isSticky: tunnel.isSticky, failback: core.failback(of: tunnel))
        streamClass = tunnel.schedulingClass == .interactive ? .interactive : .bulk
        share = tunnel.share
        usage = core.share.usage(of: tunnel, limiter: core.limiter(for: tunnel))
        self.core = core
    }

    /// Takes a local address. Throws `GatewayError.listen`.
    func reserve(_ address: HostAddress, endpoint: Endpoint) throws(GatewayError) {
        listeners.append(try TCPListener(address, endpoint: endpoint))
    }

    /// The destinations that have activated it, are heard and not about to stop, in the order of their names.
    var activeNames: [String] { active.filter(Self.isOpen).map(\.channel.peer.name).sorted() }
    /// Whether a destination has activated it, and connections are taken.
    var isActive: Bool { !core.isDraining && active.contains(where: Self.isOpen) }
    private static func isOpen(_ each: Activation) -> Bool { !each.isSuspended && !each.channel.isPeerLeaving }
    /// Why it cannot listen, if so.
    var failureText: String? { failure }

    /// What becomes of new connections at each destination.
    func destinationStatus(now: Instant) -> [DestinationStatus] {
        choice.standings.map { standing in
            let state: DestinationStatus.State =
                if !standing.isPresent {
                    .away
                } else if standing.isLeaving {
                    .leaving
                } else if standing.target == .down {
                    .down
                } else if !standing.isHeard {
                    .silent
                } else if choice.wait(standing, now: now) != nil || choice.waitsForOperator(standing) {
                    .recovering
                } else {
                    .ready
                }
            let reason = standing.reason ?? ""
            return DestinationStatus(
                gateway: standing.name, state: state, target: TargetHealthStatus.State(standing.target).rawValue,
                reason: reason.isEmpty ? nil : reason, order: standing.order, weight: UInt64(max(0, standing.weight)),
                waitSeconds: choice.wait(standing, now: now)?.secondsAsDouble, failures: standing.failureCount)
        }
    }

    // MARK: Activation

    /// The channel to a peer is up: ask it for its listener block, if it is a destination.
    func onChannelUp(_ channel: PeerChannel) {
        if destinations.contains(channel.peer.name) { channel.activate(self) }
    }

    /// The destination has a listener block.
    func onActivated(by channel: PeerChannel, internalPort: UInt32) {
        active.removeAll { $0.channel === channel }
        active.append(Activation(channel: channel, internalPort: internalPort))
        pauses[ObjectIdentifier(channel)] = nil
        usage.lastError = nil
        refresh()
    }

    /// A destination says how its target is; true when the internal port is this tunnel's.
    func onTarget(
        of channel: PeerChannel, internalPort: UInt32, _ state: TargetHealth.State, _ reason: String
    ) -> Bool {
        guard let index = active.firstIndex(where: { $0.channel === channel && $0.internalPort == internalPort })
        else { return false }
        active[index].target = state
        active[index].reason = reason
        refresh()
        return true
    }

    /// Whether a destination tells of its target, and so of whether a connection has come there.
    func tellsTarget(_ channel: PeerChannel) -> Bool { active.contains { $0.channel === channel && $0.target != nil } }

    /// Brings together what is known of the destinations; opens and closes the listeners.
    func refresh() {
        guard !isRemoved else { return }
        let now = core.currentTime()
        for name in destinations {
            let known = active.first { $0.channel.peer.name == name }
            choice.change(name, now: now) { standing in
                standing.isPresent = known.map { !$0.isSuspended } ?? false
                standing.isHeard = known.map { !$0.channel.isDoubted } ?? true
                standing.isLeaving = known?.channel.isPeerLeaving ?? false
                standing.target = known?.target ?? .unknown
                standing.reason = known?.reason
            }
        }
        if isActive { open() } else { closeUnlessActive() }
    }

    /// An operator wants the destinations that failed used again.
    func failBack() { choice.failBack() }

    /// The destination will have none.
    func onRefused(by channel: PeerChannel, reason: String) {
        usage.lastError = "\(channel.peer.name): \(reason)"
        onChannelDown(channel)
        if core.group != nil { askAgain(channel) }
    }

    /// The destination may learn of the tunnel a moment later than this gateway, so it is asked again, more and more
    /// rarely.
    private func askAgain(_ channel: PeerChannel) {
        let pause = pauses[ObjectIdentifier(channel)] ?? Self.firstPause
        pauses[ObjectIdentifier(channel)] = min(pause * 2, Self.longestPause)
        let bound = NIOLoopBound((self, channel), eventLoop: core.eventLoop)
        core.eventLoop.scheduleTask(in: .nanoseconds(pause.nanoseconds)) {
            let (tunnel, channel) = bound.value
            tunnel.ask(channel)
        }
    }

    private static let firstPause = Interval.milliseconds(100)
    private static let longestPause = Interval.seconds(30)

    /// Asks a destination for its listener block, unless it has told it.
    private func ask(_ channel: PeerChannel) {
        guard !isRemoved, channel.peer.channel === channel, destinations.contains(channel.peer.name),
            !active.contains(where: { $0.channel === channel })
        else { return }
        channel.activate(self)
    }

    /// The destination withdrew its block; true when it was this tunnel's.
    func onDeactivated(internalPort: UInt32, by channel: PeerChannel, reason: String) -> Bool {
        guard active.contains(where: { $0.channel === channel && $0.internalPort == internalPort }) else {
            return false
        }
        onRefused(by: channel, reason: reason)
        return true
    }

    /// The channel to a destination ended.
    func onChannelDown(_ channel: PeerChannel) {
        active.removeAll { $0.channel === channel }
        if channel.end != nil { pauses[ObjectIdentifier(channel)] = nil }
        refresh()
    }

    /// The channel to a destination went silent, or is heard again. While it is silent new clients are refused; connections
    /// that are open wait for it.
    func setSuspended(_ isSuspended: Bool, _ channel: PeerChannel) {
        for index in active.indices where active[index].channel === channel {
            active[index].isSuspended = isSuspended
        }
        refresh()
    }

    private func closeUnlessActive() {
        guard !isActive else { return }
        for listener in listeners { listener.close() }
    }

    private func open() {
        if missing.isEmpty { failure = nil }
        let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
        for listener in listeners {
            let entrance = listener.wanted
            listener.open(
                on: core.eventLoop,
                accepted: { bound.value.accept($0, at: entrance) },
                failed: { reason in
                    bound.value.failure = reason
                    bound.value.usage.lastError = reason
                    bound.value.core.logger.error(
                        "listener failed", metadata: ["tunnel": "\(bound.value.name)", "error": "\(reason)"])
                })
        }
    }

    /// Gives the local addresses up.
    func release() { for listener in listeners { listener.release() } }

    // MARK: Changes

    /// The group says something else of it: addresses and limits come, stay and go. Open connections to destinations that stay
    /// go on, with the share and class that they began with; whether their clients may still come is not asked again.
    func update(_ tunnel: GatewayConfiguration.Tunnel) {
        name = tunnel.name
        streamClass = tunnel.schedulingClass == .interactive ? .interactive : .bulk
        share = tunnel.share
        allowed = tunnel.allowed
        usage.update(tunnel, on: core.eventLoop)
        let kept = tunnel.destinations.map(\.gateway)
        for channel in core.peers.compactMap(\.channel)
        where destinations.contains(channel.peer.name) && !kept.contains(channel.peer.name) {
            active.removeAll { $0.channel === channel }
            channel.endStreams(of: usage)
        }
        ends = tunnel.destinations
        choice.update(ends, isSticky: tunnel.isSticky, failback: core.failback(of: tunnel))
        for channel in core.peers.compactMap(\.channel) { ask(channel) }
        refresh()
    }

    /// Takes these local addresses and gives up all others, with the connections that came there. One that cannot be had is
    /// named, and tried again.
    func listen(at addresses: [(address: HostAddress, endpoint: Endpoint)]) {
        guard !isRemoved else { return }
        let wanted = addresses.map(\.endpoint)
        for listener in listeners where !wanted.contains(listener.wanted) {
            listener.release()
            for channel in core.peers.compactMap(\.channel) {
                channel.endStreams(of: usage, from: listener.wanted)
            }
        }
        listeners.removeAll { !wanted.contains($0.wanted) }
        missing = addresses.filter { address in !listeners.contains { $0.wanted == address.endpoint } }
        takeMissing()
    }

    /// Tries again to take the addresses that could not be had.
    func takeMissing() {
        var left: [(address: HostAddress, endpoint: Endpoint)] = []
        failure = nil
        for (address, endpoint) in missing {
            if core.localPolicy?.allowsListener(endpoint) == false {
                left.append((address, endpoint))
                failure = "this gateway's local policy does not allow it to listen at \(endpoint)"
                usage.lastError = failure
                continue
            }
            do throws(GatewayError) { try reserve(address, endpoint: endpoint) } catch {
                left.append((address, endpoint))
                failure = "\(error)"
                usage.lastError = failure
            }
        }
        missing = left
        if isActive { open() }
    }

    /// Whether an address could not be had.
    var isMissing: Bool { !missing.isEmpty }

    /// The tunnel is no more.
    func remove() {
        isRemoved = true
        release()
        active.removeAll()
        for channel in core.peers.compactMap(\.channel) { channel.endStreams(of: usage) }
        usage.limiter?.cancel()
    }

    // MARK: Connections

    /// A client connected.
    private func accept(_ tcp: any Channel, at entrance: Endpoint) -> EventLoopFuture<Void> {
        guard isAllowed(tcp) else {
            let client = tcp.remoteAddress?.ipAddress ?? "unknown"
            usage.refuse("client \(client) is not allowed")
            core.complain(
                "connection refused", ["tunnel": name, "client": client, "reason": "not allowed"], limit: &complaints)
            TCPReset.close(tcp)
            return tcp.eventLoop.makeSucceededVoidFuture()
        }
        do {
            try connect(client: Self.addressBytes(tcp), entrance: entrance) { channel, id, opening in
                let bridge = TCPBridge(channel: channel, id: id, usage: usage, entrance: entrance, opening: opening)
                try? tcp.pipeline.syncOperations.addHandler(bridge)
                return bridge
            }
        } catch {
            usage.refuse("\(error)")
            core.complain("connection refused", ["tunnel": name, "reason": "\(error)"], limit: &complaints)
            TCPReset.close(tcp)
        }
        return tcp.eventLoop.makeSucceededVoidFuture()
    }

    /// Whether a client comes from where it may.
    private func isAllowed(_ tcp: any Channel) -> Bool {
        if allowed.isEmpty { return true }
        guard let text = tcp.remoteAddress?.ipAddress, let client = Endpoint(address: text, port: 0) else {
            return false
        }
        return allowed.contains { $0.contains(client) }
    }

    /// The bytes of a client's address.
    private static func addressBytes(_ tcp: any Channel) -> [UInt8]? {
        tcp.remoteAddress?.ipAddress.map { Array($0.utf8) }
    }

    /// The best destination that is not excluded.
    func nextDestination(
        only member: String? = nil, client: [UInt8]?, excluding excluded: Set<String> = []
    ) -> (channel: PeerChannel, internalPort: UInt32)? {
        let name = choice.choose(only: member, client: client, excluding: excluded, now: core.currentTime())
        return active.first { $0.channel.peer.name == name }.map { ($0.channel, $0.internalPort) }
    }

    /// Whether a connection has a choice.
    private var hasSeveral: Bool { active.count(where: Self.isOpen) > 1 }

    /// A connection found no destination that takes it.
    func onOpeningFailed(_ reason: String) {
        usage.refuse(reason)
        core.complain("connection refused", ["tunnel": name, "reason": reason], limit: &complaints)
    }

    /// Opens a connection to the best destination, or to the one of that name.
    ///
    /// - Parameters:
    ///   - client: the bytes of the client's address; nil when there is none.
    ///   - entrance: the listener's address at which it came; nil for the program's.
    ///   - make: makes what carries it; with several destinations it waits for `TunnelOpening` to find the one that takes it.
    func connect(
        to member: String? = nil, client: [UInt8]? = nil, entrance: Endpoint? = nil,
        _ make: (PeerChannel, StreamID, TunnelOpening?) -> any TunnelConnection
    ) throws(GatewayError) {
        guard usage.hasRoom else { throw .connectionLimit(name) }
        if let member, !destinations.contains(member) { throw .notADestination(member, tunnel: name) }
        if member == nil, hasSeveral {
            let opening = TunnelOpening(self, client: client, entrance: entrance)
            return try opening.begin { channel, id in make(channel, id, opening) }
        }
        guard let destination = nextDestination(only: member, client: client) else {
            throw .notConnected(member ?? destinations.first ?? name)
        }
        do throws(StreamError) {
            _ = try destination.channel.openStream(
                internalPort: destination.internalPort, streamClass: streamClass, share: share
            ) { id in make(destination.channel, id, nil).owner }
        } catch {
            throw error == .streamLimit ? .connectionLimit(name) : .notConnected(destination.channel.peer.name)
        }
    }
}

@available(*, unavailable)
extension OriginTunnel: Sendable {}
