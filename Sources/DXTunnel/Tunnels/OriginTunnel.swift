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
    private(set) var listeners: [TunnelListener] = []
    /// What is said of its streams when a destination is asked for them.
    private(set) var offer: ActivationTerms
    /// Its listeners and flows, in a UDP tunnel; nil in one of TCP.
    private(set) var udp: UDPOrigin?
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
    private var missing: [ListenerPlace] = []
    private var isRemoved = false
    private var active: [Activation] = []
    private var failure: String?
    /// Looks its addresses up anew, when that failed.
    private var lookUp: (() -> Void)?
    /// Destinations whose target was told to be down, and not yet that it is well again.
    private var toldDown: Set<String> = []
    /// Channels to destinations that flows are better moved from; only of a UDP tunnel.
    private var avoided: [PeerChannel] = []
    /// Anyone who can connect to a listener can have a connection refused.
    private var complaints = ComplaintLimit()

    /// A destination that has a listener block for the tunnel.
    private struct Activation {
        var channel: PeerChannel
        var internalPort: UInt32
        /// What the streams to it are like.
        var features: ActivationTerms.Features
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
        usage.idle.update(tunnel.idleTimeout, on: core.eventLoop)
        offer = Self.offer(tunnel, at: core.configuration.name)
        self.core = core
        if tunnel.networkProtocol == .udp { udp = UDPOrigin(tunnel, of: self, core: core) }
    }

    private static func offer(_ tunnel: GatewayConfiguration.Tunnel, at name: String) -> ActivationTerms {
        let places = tunnel.origins.lazy.filter { $0.gateway == name }.compactMap(\.address)
        return ActivationTerms(
            features: tunnel.compression == .deflate ? [.head, .deflate] : .head,
            portCount: UInt64(places.map(\.portCount).max() ?? 1))
    }

    /// Takes a local address. Throws `GatewayError.listen`.
    func reserve(_ place: ListenerPlace) throws(GatewayError) {
        if let udp { return try udp.reserve(place) }
        listeners.append(try TunnelListener(place, inherited: core.inheritance?.listener(of: wireName, at: place)))
    }

    /// Leaves the listeners to another start of the gateway; those of UDP are opened anew there.
    func leaveListeners() -> [(place: ListenerPlace, descriptor: CInt, isListening: Bool)] {
        let left = listeners.compactMap { listener in
            listener.leave().map { (listener.place, $0.descriptor, $0.isListening) }
        }
        listeners.removeAll()
        udp?.close()
        // Nor does this start want any more what it could not have.
        missing.removeAll()
        (failure, lookUp) = (nil, nil)
        return left
    }

    /// Clients that wait, at listeners of an earlier start, for a destination that has not come are refused.
    func refuseWaiting() { for listener in listeners { listener.refuseWaiting() } }

    /// Where it listens, as text.
    var listenTexts: [String] {
        if let udp { return udp.listeners.map { "\($0.local)" } }
        return ListenerPlace.texts(listeners.map { ($0.local, $0.place.offset) })
    }

    /// The destinations that have activated it, are heard and not about to stop, in the order of their names.
    var activeNames: [String] { active.filter(Self.isOpen).map(\.channel.peer.name).sorted() }
    /// Whether it was activated over a channel, and not over another of that peer since.
    func isActivated(by channel: PeerChannel) -> Bool { active.contains { $0.channel === channel } }
    /// Whether a destination has activated it, and connections are taken.
    var isActive: Bool { !core.isDraining && core.succession != .yielded && active.contains(where: Self.isOpen) }
    private static func isOpen(_ each: Activation) -> Bool { !each.isSuspended && !each.channel.isPeerLeaving }
    /// Whether connections are compressed, to one destination at least.
    var isCompressed: Bool { active.contains { $0.features.contains(.deflate) } }
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
        if ends.contains(where: { $0.gateway == channel.peer.name }) { channel.activate(self) }
    }

    /// The destination has a listener block, whose streams are to be like that.
    func onActivated(by channel: PeerChannel, internalPort: UInt32, features: ActivationTerms.Features) {
        guard offer.features.isSuperset(of: features) else {
            return onRefused(by: channel, reason: "it asks for what this gateway has not offered")
        }
        forget(channel)
        // What another start of the destination had is taken over with this.
        for stale in active where stale.channel.peer === channel.peer { forget(stale.channel) }
        defer { channel.peer.tellLeft() }
        active.append(Activation(channel: channel, internalPort: internalPort, features: features))
        if let udp { channel.flowOrigins[internalPort] = udp }
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

    /// Brings together what is known of the destinations; opens and closes the listeners. Goes over all of them once: a label may lead to
    /// hundreds, and each of these has it called.
    func refresh() {
        guard !isRemoved else { return }
        let now = core.currentTime()
        let active = Dictionary(active.map { ($0.channel.peer.name, $0) }, uniquingKeysWith: { first, _ in first })
        for index in choice.standings.indices {
            let known = active[choice.standings[index].name]
            choice.change(at: index, now: now) { standing in
                standing.isPresent = known.map { !$0.isSuspended } ?? false
                standing.isHeard = known.map { !$0.channel.isDoubted } ?? true
                standing.isLeaving = known?.channel.isPeerLeaving ?? false
                standing.target = known?.target ?? .unknown
                standing.reason = known?.reason
            }
            tellHealth(of: choice.standings[index])
        }
        // What has no connections to keep goes elsewhere with its next datagram.
        avoided.removeAll()
        if udp != nil, choice.standings.contains(where: \.isUsable) {
            avoided = choice.standings.lazy.filter { !$0.isUsable }.compactMap { active[$0.name]?.channel }
        }
        if isActive { open() } else { closeUnlessActive() }
    }

    /// That a peer came, went or is silent is an event of its own, not one for each of its tunnels: what its target was told to be is
    /// so until it says something else.
    private func tellHealth(of standing: DestinationChoice.Standing) {
        if standing.target == .down {
            guard toldDown.insert(standing.name).inserted else { return }
        } else {
            guard standing.isUsable, toldDown.remove(standing.name) != nil else { return }
        }
        let reason = standing.reason ?? ""
        core.events.post(
            .destinationHealth(
                tunnel: name, destination: standing.name, isUsable: standing.isUsable,
                reason: reason.isEmpty ? nil : reason.onOneLine))
    }

    /// An operator wants the destinations that failed used again.
    func failBack() { choice.failBack() }

    /// The destination will have none.
    func onRefused(by channel: PeerChannel, reason: String) {
        usage.lastError = "\(channel.peer.name): \(reason)"
        for stale in active where stale.channel.peer === channel.peer && !stale.channel.isCurrent {
            forget(stale.channel)
        }
        channel.peer.tellLeft()
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

    /// The listener block that a channel had is none any more.
    private func forget(_ channel: PeerChannel) {
        for activation in active where activation.channel === channel {
            channel.flowOrigins[activation.internalPort] = nil
        }
        active.removeAll { $0.channel === channel }
        udp?.endFlows(on: channel)
    }

    /// The channel to a destination ended.
    func onChannelDown(_ channel: PeerChannel) {
        forget(channel)
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
        udp?.setOpen(false)
        for listener in listeners { listener.close() }
    }

    private func open() {
        if missing.isEmpty, lookUp == nil { failure = nil }
        udp?.setOpen(true)
        let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
        for listener in listeners {
            let entrance = listener.place
            listener.open(
                on: core.eventLoop,
                accepted: { bound.value.accept($0, at: entrance) },
                paused: { bound.value.core.onAcceptPaused($0, tunnel: bound.value.name) },
                failed: { reason in
                    let (tunnel, isNew) = (bound.value, bound.value.usage.lastError != reason)
                    tunnel.fail(reason)
                    guard isNew else { return }
                    tunnel.core.warn("listener failed", ["tunnel": tunnel.name, "error": reason], level: .error)
                })
        }
    }

    /// Gives the local addresses up.
    func release() {
        for listener in listeners { listener.release() }
        udp?.close()
    }

    // MARK: Changes

    /// The group says something else of it: addresses and limits come, stay and go. Open connections to destinations that stay
    /// go on, with the share and class that they began with; whether their clients may still come is not asked again.
    func update(_ tunnel: GatewayConfiguration.Tunnel) {
        name = tunnel.name
        streamClass = tunnel.schedulingClass == .interactive ? .interactive : .bulk
        share = tunnel.share
        allowed = tunnel.allowed
        usage.update(tunnel, on: core.eventLoop)
        udp?.update(tunnel)
        let kept = tunnel.destinations.map(\.gateway)
        for channel in core.peers.flatMap(\.channels)
        where destinations.contains(channel.peer.name) && !kept.contains(channel.peer.name) {
            forget(channel)
            channel.endStreams(of: usage)
        }
        ends = tunnel.destinations
        choice.update(ends, isSticky: tunnel.isSticky, failback: core.failback(of: tunnel))
        let offer = Self.offer(tunnel, at: core.configuration.name)
        if offer != self.offer {
            // Those that have answered the old one are asked again, and used meanwhile.
            self.offer = offer
            for activation in active { activation.channel.activate(self) }
        }
        for channel in core.peers.compactMap(\.channel) { ask(channel) }
        refresh()
    }

    /// Takes these local addresses and gives up all others, with the connections that came there. One that cannot be had is
    /// named, and tried again.
    func listen(at places: [ListenerPlace]) {
        guard !isRemoved else { return }
        lookUp = nil
        let wanted = Dictionary(places.map { ($0, $0.mode) }, uniquingKeysWith: { first, _ in first })
        for listener in listeners {
            if let mode = wanted[listener.place] {
                listener.setMode(mode)
                continue
            }
            listener.release()
            for channel in core.peers.flatMap(\.channels) {
                channel.endStreams(of: usage, from: listener.place)
            }
        }
        listeners.removeAll { wanted[$0.place] == nil }
        for listener in udp?.listeners ?? [] where wanted[listener.place] == nil { udp?.release(listener) }
        let taken = Set(listeners.map(\.place) + (udp?.listeners.map(\.place) ?? []))
        missing = places.filter { !taken.contains($0) }
        takeMissing()
    }

    /// Tries again to take the addresses that could not be had.
    func takeMissing() {
        if let again = lookUp {
            lookUp = nil
            return again()
        }
        var left: [ListenerPlace] = []
        failure = nil
        for place in missing {
            if !isAllowed(place) {
                left.append(place)
                fail("this gateway's local policy does not allow it to listen at \(place.address)")
                continue
            }
            do throws(GatewayError) { try reserve(place) } catch {
                left.append(place)
                fail("\(error)")
            }
        }
        missing = left
        listeners.sort { $0.place.offset < $1.place.offset }
        if isActive { open() }
    }

    private func isAllowed(_ place: ListenerPlace) -> Bool {
        guard let policy = core.localPolicy else { return true }
        switch place.address {
        case .tcp(let endpoint): return policy.allowsListener(endpoint)
        case .unix(let path): return policy.allowsListener(unixSocket: path)
        }
    }

    /// An address was lost by an error of the system's; it is tried again as those that could not be had.
    func lost(_ place: ListenerPlace) {
        guard !isRemoved else { return }
        miss(place, "\(name) listens at \(place.text) no more: the system closed the socket")
    }

    /// Whether an address could not be had.
    var isMissing: Bool { !missing.isEmpty || failure != nil || lookUp != nil }

    /// It cannot be had yet; it is tried again.
    func miss(_ place: ListenerPlace, _ reason: String) {
        missing.append(place)
        fail(reason)
    }

    /// What is missing is tried again after a while.
    private func fail(_ reason: String) {
        failure = reason
        usage.lastError = reason
        core.retryListenersLater()
    }

    /// A name leads nowhere, as before the network is up: where it listens stays, and it has failed until `again` finds the address,
    /// which is called when missing addresses are tried again.
    func onLookUpFailed(_ reason: String, again: @escaping () -> Void) {
        guard !isRemoved else { return }
        lookUp = again
        fail(reason)
    }

    /// The tunnel is no more.
    func remove() {
        isRemoved = true
        release()
        for activation in active { activation.channel.flowOrigins[activation.internalPort] = nil }
        active.removeAll()
        for channel in core.peers.flatMap(\.channels) { channel.endStreams(of: usage) }
        usage.cancel()
    }

    // MARK: Connections

    /// A client connected.
    private func accept(_ tcp: any Channel, at entrance: ListenerPlace) -> EventLoopFuture<Void> {
        guard isAllowed(tcp, at: entrance) else {
            let client = tcp.remoteAddress?.ipAddress ?? "unknown"
            usage.refuse("client \(client) is not allowed", as: .notAllowed)
            auditRefusal(tcp, "the client is not allowed")
            core.complain(
                "connection refused", ["tunnel": name, "client": client, "reason": "not allowed"], limit: &complaints)
            TCPReset.close(tcp)
            return tcp.eventLoop.makeSucceededVoidFuture()
        }
        do {
            let client = Self.addressBytes(tcp)
            try connect(client: client, entrance: entrance, head: head(of: tcp, at: entrance)) {
                channel, id, opening, compression in
                let ticket = AuditTicket(
                    core, tunnel: name, role: .origin, peer: channel.peer.name,
                    client: entrance.isUnix ? "a unix socket" : Self.text(of: tcp))
                let bridge = TCPBridge(
                    channel: channel, id: id, usage: usage, entrance: entrance, isUnix: entrance.isUnix,
                    opening: opening, compression: compression, ticket: ticket)
                try? tcp.pipeline.syncOperations.addHandler(bridge)
                return bridge
            }
        } catch {
            usage.refuse("\(error)", as: RefusalReason(error))
            core.rehearsal?.refused(by: self)
            auditRefusal(tcp, "\(error)")
            core.complain("connection refused", ["tunnel": name, "reason": "\(error)"], limit: &complaints)
            TCPReset.close(tcp)
        }
        return tcp.eventLoop.makeSucceededVoidFuture()
    }

    /// A client's address and port; nil of one that is gone, or has none.
    private static func text(of tcp: any Channel) -> String? {
        guard let address = tcp.remoteAddress, let host = address.ipAddress, let port = address.port else { return nil }
        return HostAddress(host: host, port: UInt16(clamping: port)).description
    }

    private func auditRefusal(_ tcp: any Channel, _ reason: String) {
        core.auditRefusal(tunnel: name, role: .origin, client: Self.text(of: tcp), reason: reason)
    }

    /// Whether a client comes from where it may.
    func isAllowed(_ client: Endpoint) -> Bool { allowed.isEmpty || allowed.contains { $0.contains(client) } }

    /// Whether a client comes from where it may. Whoever may open a unix socket's file may connect.
    private func isAllowed(_ tcp: any Channel, at entrance: ListenerPlace) -> Bool {
        guard !entrance.isUnix, !allowed.isEmpty else { return true }
        guard let client = tcp.remoteAddress.flatMap(Endpoint.init(ofClient:)) else { return false }
        return isAllowed(client)
    }

    /// What the destination may want to know of a client.
    private func head(of tcp: any Channel, at entrance: ListenerPlace) -> StreamHead {
        let port = UInt64(entrance.offset)
        if entrance.isUnix { return StreamHead(port: port, client: .unixSocket) }
        guard let client = tcp.remoteAddress.flatMap(Endpoint.init(ofClient:)),
            let own = tcp.localAddress.flatMap(Endpoint.init(ofClient:))
        else { return StreamHead(port: port) }
        return StreamHead(port: port, client: .tcp(client, entrance: own))
    }

    /// The bytes of a client's address.
    private static func addressBytes(_ tcp: any Channel) -> [UInt8]? {
        tcp.remoteAddress?.ipAddress.map { Array($0.utf8) }
    }

    /// A destination that was chosen.
    struct Chosen {
        var channel: PeerChannel
        var internalPort: UInt32
        /// What the streams to it are like.
        var features: ActivationTerms.Features

        /// A stream has been opened there: says what stands before all else.
        func begin(_ id: StreamID, _ head: StreamHead) {
            if features.contains(.head) { channel.write(ByteBuffer(bytes: head.encoded), to: id) }
        }

        /// What compresses one stream; nil when nothing does.
        var compression: StreamCompression? { features.contains(.deflate) ? StreamCompression() : nil }
    }

    /// What a search for a destination gave.
    enum Search {
        case found(Chosen)
        /// Of each that there is what waits is its part of the memory.
        case full(ConnectionRefusal)
        /// There is none.
        case none
    }

    /// The best destination that is not excluded, and of which less waits than is its part of the memory where that is short. Whether
    /// a new connection is taken at all is not asked here: one that is taken may need another destination.
    func search(only member: String? = nil, client: [UInt8]?, excluding excluded: Set<String> = []) -> Search {
        var excluded = excluded
        var refusal: ConnectionRefusal?
        while let next = nextDestination(only: member, client: client, excluding: excluded) {
            guard let why = core.memoryRefusal(over: next.channel), why != .memory else { return .found(next) }
            refusal = why
            excluded.insert(next.channel.peer.name)
        }
        return refusal.map { .full($0) } ?? .none
    }

    private func nextDestination(only member: String?, client: [UInt8]?, excluding excluded: Set<String>) -> Chosen? {
        let name = choice.choose(only: member, client: client, excluding: excluded, now: core.currentTime())
        return active.first { $0.channel.peer.name == name }.map {
            Chosen(channel: $0.channel, internalPort: $0.internalPort, features: $0.features)
        }
    }

    /// Whether a connection has a choice.
    private var hasSeveral: Bool { active.count(where: Self.isOpen) > 1 }

    /// A connection found no destination that takes it.
    func onOpeningFailed(_ reason: String) {
        usage.refuse(reason, as: .noDestination)
        core.complain("connection refused", ["tunnel": name, "reason": reason], limit: &complaints)
    }

    /// Whether a destination's channel is silent.
    func isSuspended(_ channel: PeerChannel) -> Bool {
        active.contains { $0.channel === channel && $0.isSuspended }
    }

    /// Whether a destination is silent, about to stop or without its target, while another one is not.
    func isAvoided(_ channel: PeerChannel) -> Bool { avoided.contains { $0 === channel } }

    /// A connection is refused for that, which is counted.
    func refused(for refusal: ConnectionRefusal) -> GatewayError {
        core.count(refusal)
        return refusal == .connections ? .connectionLimit(name) : .exhausted(refusal.reason, tunnel: name)
    }

    /// A rehearsal wants to know of it.
    private func asked(_ connection: any TunnelConnection) -> any TunnelConnection {
        if let rehearsal = core.rehearsal, let each = RehearsedConnection(connection.owner) {
            rehearsal.asked(each)
        }
        return connection
    }

    /// Opens a connection to the best destination, or to the one of that name.
    ///
    /// - Parameters:
    ///   - client: the bytes of the client's address; nil when there is none.
    ///   - entrance: where it came in; nil for the program's.
    ///   - head: what the destination is told of the client, if it wants to know.
    ///   - make: makes what carries it; with several destinations it waits for `TunnelOpening` to find the one that takes it.
    func connect(
        to member: String? = nil, client: [UInt8]? = nil, entrance: ListenerPlace? = nil, head: StreamHead,
        _ make: (PeerChannel, StreamID, TunnelOpening?, StreamCompression?) -> any TunnelConnection
    ) throws(GatewayError) {
        guard udp == nil else { throw .isUDP(name) }
        if let refusal = core.refusal(of: usage, over: nil, needsDescriptor: entrance != nil) {
            throw refused(for: refusal)
        }
        if let member, !destinations.contains(member) { throw .notADestination(member, tunnel: name) }
        if member == nil, hasSeveral {
            let opening = TunnelOpening(self, client: client, entrance: entrance, head: head)
            return try opening.begin { channel, id in asked(make(channel, id, opening, nil)) }
        }
        let destination: Chosen
        switch search(only: member, client: client) {
        case .found(let found): destination = found
        case .full(let refusal): throw refused(for: refusal)
        case .none: throw .notConnected(member ?? destinations.first ?? name)
        }
        do throws(StreamError) {
            _ = try destination.channel.openStream(
                internalPort: destination.internalPort, streamClass: streamClass, share: share
            ) { id in
                destination.begin(id, head)
                return asked(make(destination.channel, id, nil, destination.compression)).owner
            }
        } catch {
            throw error == .streamLimit ? .connectionLimit(name) : .notConnected(destination.channel.peer.name)
        }
    }
}

@available(*, unavailable)
extension OriginTunnel: Sendable {}

extension Endpoint {
    /// Where a client is, or where it came to; nil for a unix socket.
    fileprivate init?(ofClient address: SocketAddress) {
        guard let text = address.ipAddress, let port = address.port else { return nil }
        self.init(address: text, port: UInt16(clamping: port))
    }
}
