import DXSecure
import DXSocket
import DXStream
import DXWire
import Logging
import NIOCore

/// The running gateway on one event loop: one UDP endpoint, the secure endpoint before sessions exist, the sessions by
/// connection id, the peers and the tunnels that are this loop's. A gateway has one or several of these, which share
/// nothing but the port and the count of connections (decision 0023).
///
/// A turn: datagrams of a receive batch are opened and given to their channels; then every channel that was touched is
/// drained, packets first; then one flush; then one timer is armed for the earliest deadline of all.
@safe
final class GatewayCore {
    let gate: LoopGate
    let eventLoop: any EventLoop
    let logger: Logger
    let secure: SecureEndpoint
    let channelConfiguration: ChannelConfiguration
    let bootID: UInt64
    let connectTimeout: TimeAmount
    let share: LoopShare
    /// The audit records; nil where none are kept.
    var audit: AuditLog? { share.audit }
    /// What happens, for who watches.
    var events: EventHub { share.events }
    /// The gateway's other event loops, by number.
    var neighbours: [UInt8: LoopNeighbour] = [:]
    var random: RandomSource
    var drops = DropCounters()
    /// How much tunnel data is held, and what may be.
    var memory: MemoryWatch
    /// Whether there are file descriptors for new connections.
    var descriptors: DescriptorBudget
    private(set) var isStopping = false
    /// Whether another start of the gateway takes over.
    var succession = Succession.none
    /// Since when it is left to its connections.
    var yieldedAt: Instant?
    /// What an earlier start left; nil when there was none, and when it is settled.
    var inheritance: Inheritance?
    /// Gives the earlier start what is its sessions'; nil when there is none.
    var relay: DatagramRelay?
    /// Called when the next start has ended, which takes the sockets with it.
    var onSuccessorEnded: (@Sendable () -> Void)?
    /// It takes no new connections, and its peers know.
    private(set) var isDraining = false
    /// Addresses that could not be had are tried again soon.
    var isRetryingListeners = false
    /// Changed by `apply` alone, once the gateway runs.
    var peers: [PeerLink] = []
    var origins: [OriginTunnel] = []
    var destinations: [DestinationTunnel] = []
    /// What the embedding program does with streams, by the tunnel's name, whether there is one of that name now or not.
    var acceptors: [String: StreamAcceptor] = [:]
    var configuration: GatewayConfiguration
    /// What is cut; nil when nothing is.
    var blackout: Blackout?
    /// The rehearsal that goes on.
    var rehearsal: Rehearsal?
    /// The gateway's part in its group; nil in static mode.
    var group: GroupAgent?
    let tuning: GatewayTuning
    let startedAt: Instant

    var socket: UDPEndpoint<GatewayCore>?
    /// Sockets of predictions, of which one may carry a session.
    let outlets = FurtherSockets<GatewayCore>()
    /// The gateway's part in finding ways to others; nil where no matchmaker is configured, and in static mode.
    var match: MatchAgent?
    /// The gateway as its group's matchmaker; nil where it is none.
    var service: MatchService?
    /// The gateway's part in finding members in its networks; nil where that is switched off, and in static mode.
    var lan: LANAgent?
    /// The gateway's part in forwarding between members.
    lazy var forwarding = ForwardAgent(core: self, rate: group?.settings.forward?.bitsPerSecond)
    /// How often channels are kept alive: more often than usual where the NAT forgets soon.
    var channelKeepalive: Interval
    /// Tells when the host's network is another one; from when the gateway calls its peers.
    var network: NetworkWatch?
    /// A look at the network that goes on.
    var networkCheck: NetworkCheck?
    private var timer: WakeupTimer<GatewayCore>?
    var peersByID: [GatewayID: PeerLink] = [:]
    var sessionsByID: [ConnectionID: ChannelSession] = [:]
    /// Records that come in fragments.
    var assembler = FragmentAssembler()
    /// What is being received came from another event loop: it is handed over once.
    var isHandedOver = false
    /// Datagrams given to other event loops.
    var handedOver: UInt64 = 0
    /// The session found last: datagrams come in runs.
    var lastSession: ChannelSession?
    /// The connection id by which it was found.
    var lastID = ConnectionID(rawValue: 0)
    var marked: [PeerChannel] = []
    /// Those that the turn is at, and those that will want another. Kept, so that a turn allocates nothing.
    private var turning: [PeerChannel] = []
    private var wantsMore: [PeerChannel] = []
    private var isTurnScheduled = false
    /// Refers to this object until `finish`.
    private var turnTask: LoopTask?
    var isInTurn = false
    var latest: Instant
    /// What was opened last.
    let plaintext: UnsafeMutableRawBufferPointer
    /// What is being sent.
    let packet: UnsafeMutableRawBufferPointer

    /// Bytes that one channel may send before others and the rest of the event loop get their turn: some GSO runs.
    private static let bytesPerTurn = 512 << 10
    /// What a packet counts at least: small ones cost as much as one of this size.
    private static let leastPerPacket = 1_500
    /// A record of DTLS holds at most 2^14 bytes (RFC 6347 §4.1), so no packet may be larger.
    static let maximumPacket = 16_384

    init(
        configuration: GatewayConfiguration, identity: Identity, veils: [VeilSecret], logger: Logger,
        tuning: GatewayTuning, gate: LoopGate, share: LoopShare, isInGroup: Bool = false
    ) throws(GatewayError) {
        self.configuration = configuration
        self.tuning = tuning
        channelKeepalive = tuning.keepalive
        self.gate = gate
        eventLoop = gate.eventLoop
        self.logger = logger
        connectTimeout = TimeAmount(configuration.limits.connectTimeout)
        self.share = share
        latest = MonotonicClock.now()
        startedAt = latest
        let parts = isInGroup ? Self.groupPeerCount : configuration.peers.count
        let ceiling = tuning.memoryCeiling ?? configuration.limits.memoryBytes
        memory = MemoryWatch(MemoryBudget(limit: ceiling, partCount: parts), now: latest)
        descriptors = DescriptorBudget(limit: tuning.descriptorLimit)
        let seed = SecureRandom.next()
        bootID = share.bootID
        let ownPeers = configuration.peers.filter(share.has)
        do throws(SecureError) {
            secure = try SecureEndpoint(
                identity: identity, veil: veils, knownPeers: Set(ownPeers.map(\.id)),
                configuration: tuning.secure.part(of: share.plan.loopCount), shard: UInt8(share.number), seed: seed)
        } catch { throw .system("the secure endpoint could not be made: \(error)") }
        for peer in configuration.peers where !share.has(peer) {
            secure.peersElsewhere[peer.id] = UInt8(share.plan.loopByPeer[peer.name] ?? 0)
        }
        random = RandomSource(seed: seed)
        channelConfiguration = Self.channelConfiguration(
            configuration, tuning, peerCount: parts)
        unsafe plaintext = .allocate(byteCount: Constants.maximumDatagram + 1_024, alignment: 16)
        unsafe packet = .allocate(byteCount: Self.maximumPacket, alignment: 16)
        for peer in ownPeers {
            guard let role = identity.gatewayID.role(towards: peer.id) else {
                throw .invalidConfiguration(["peer \(peer.name) has this gateway's own id: give it the peer's"])
            }
            let link = PeerLink(peer, role: role, core: self)
            peers.append(link)
            peersByID[peer.id] = link
        }
        makeTunnels()
    }

    /// A member has channels with some others only; in so many parts the memory is split.
    private static let groupPeerCount = 16

    deinit {
        unsafe plaintext.deallocate()
        unsafe packet.deallocate()
    }

    /// Half of the memory is for receiving and half for sending, in equal parts for each peer, so that the sum is not passed;
    /// but 256 KiB each way at least, or a channel could not fill a slow link.
    private static func channelConfiguration(
        _ configuration: GatewayConfiguration, _ tuning: GatewayTuning, peerCount: Int
    ) -> ChannelConfiguration {
        var result = ChannelConfiguration()
        result.keepalive = tuning.keepalive
        result.idleTimeout = tuning.idleTimeout ?? Interval(configuration.limits.liveness)
        let part = max(configuration.limits.memoryBytes / 2 / max(1, peerCount), 256 << 10)
        result.receiveMemory = UInt64(part)
        result.sendMemory = part
        // A 64th each, so that it takes many stalled readers to fill the channel's window.
        result.initialStreamWindow = UInt64(min(max(part / 64, 16 << 10), 128 << 10))
        result.maximumStreams = UInt64(min(configuration.limits.connections, 16_384))
        result.maximumStreamWindow = UInt64(min(8 << 20, part / 2))
        result.maximumDatagram = maximumPacket
        result.maximumPacket = maximumPacket
        return result
    }

    private func makeTunnels() {
        for tunnel in configuration.tunnels {
            let isOrigin = tunnel.origins.contains { $0.gateway == configuration.name }
            if isOrigin, share.plan.loop(ofOrigin: tunnel) == share.number {
                origins.append(OriginTunnel(tunnel, core: self))
            }
            if let own = tunnel.destinations.first(where: { $0.gateway == configuration.name }) {
                destinations.append(DestinationTunnel(tunnel, target: own.address, core: self))
            }
        }
    }

    // MARK: Start and stop

    /// Opens the UDP sockets and takes the origins' addresses.
    ///
    /// - Parameter listeners: the addresses of the origins' listeners, by tunnel, looked up.
    func open(
        listen: ListenAddress, orAt lastPort: UInt16? = nil,
        listeners: [(tunnel: String, place: ListenerPlace)]
    ) throws(GatewayError) {
        for listener in listeners {
            guard let tunnel = origins.first(where: { $0.name == listener.tunnel }) else { continue }
            do throws(GatewayError) { try tunnel.reserve(listener.place) } catch {
                // The earlier start may have it still, at another address, and has connections that must not end with this.
                guard inheritance != nil else { throw error }
                tunnel.miss(listener.place, "\(error)")
            }
        }
        var settings = SocketConfiguration()
        settings.receiveBufferByteCount = configuration.limits.socketBufferBytes
        settings.sendBufferByteCount = configuration.limits.socketBufferBytes
        settings.sharingLoopCount = share.plan.loopCount
        settings.joinsPort = share.number > 0
        settings.stripeCount = tuning.stripeCount
        if let inherited = inheritance?.sockets(of: share.number) {
            do throws(BindError) {
                socket = try UDPEndpoint(inheriting: inherited, configuration: settings, on: eventLoop, handler: self)
            } catch { throw .listen("\(error)") }
        } else if let lastPort {
            // Others know this gateway there. A port that somebody else has by now is no reason not to run.
            socket = try? UDPEndpoint(
                listen: listen.withPort(lastPort), configuration: settings, on: eventLoop, handler: self)
        }
        if socket == nil {
            do throws(BindError) {
                socket = try UDPEndpoint(listen: listen, configuration: settings, on: eventLoop, handler: self)
            } catch { throw .listen("\(error)") }
        }
        timer = WakeupTimer(on: eventLoop, handler: self)
    }

    /// Calls the peers.
    func callPeers() {
        group?.start(local: socket?.localEndpoints ?? [])
        if let group, group.settings.lan { lan = LANAgent(core: self) }
        let now = currentTime()
        watchNetwork()
        for peer in peers { peer.start(now: now) }
        settleInheritance()
        turn()
    }

    /// Takes no new connections from now on, or takes them again, and tells the peers: they choose other destinations. One that a peer
    /// has begun before it heard of it is still taken.
    func setDraining(_ draining: Bool) {
        guard isDraining != draining, !isStopping else { return }
        if draining { rehearsal?.end(.draining) }
        isDraining = draining
        refreshOrigins()
        for tunnel in origins { tunnel.udp?.setDraining(draining) }
        for tunnel in destinations { tunnel.udp?.setDraining(draining) }
        // Another start has the new connections, or will have them as soon as the peers are with it.
        guard succession != .yielded else { return }
        for peer in peers { peer.channel?.tellLeaving(draining) }
        // One of several event loops says so.
        if share.number == 0 { events.post(.draining(draining)) }
        logger.notice(draining ? "draining: new connections go elsewhere" : "not draining any more")
    }

    /// Connections that are open, at either end, and streams of which the peers do not have everything yet.
    var unfinishedCount: Int {
        let open = origins.reduce(0) { $0 + $1.usage.open } + destinations.reduce(0) { $0 + $1.usage.open }
        return max(open, peers.reduce(0) { $0 + $1.channels.reduce(0) { $0 + $1.connectionCount } })
    }

    /// How long a connection that a peer began before it heard may take to show here.
    var drainGrace: Interval {
        let trips = peers.compactMap { $0.channel?.transport.pathSnapshots.first(where: \.isActive)?.roundTrip }
        return trips.max().map { min(max($0 * 2, Self.leastDrainGrace), Self.mostDrainGrace) } ?? .zero
    }
    /// 50 ms: what two busy hosts take.
    private static let leastDrainGrace = Interval.milliseconds(50)
    private static let mostDrainGrace = Interval.seconds(1)

    /// Tells all peers and stops listening; `finish` follows after a moment for the last packets.
    func beginStopping() {
        guard !isStopping else { return }
        rehearsal?.cancel()
        isStopping = true
        for tunnel in origins { tunnel.release() }
        let now = currentTime()
        for peer in peers { peer.stop(now: now) }
        turn()
    }

    /// Closes the sockets. The future completes when the ports are free.
    func finish() -> EventLoopFuture<Void> {
        rehearsal?.cancel()
        isStopping = true
        for tunnel in origins { tunnel.release() }
        timer?.cancel()
        for tunnel in destinations {
            tunnel.stopChecking()
            tunnel.udp?.close()
        }
        for usage in origins.map(\.usage) + destinations.map(\.usage) { usage.cancel() }
        for session in sessions {
            session.channel = nil
            session.session.close()
        }
        sessionsByID.removeAll()
        // They refer to this object, and would keep it for ever.
        peers.removeAll()
        peersByID.removeAll()
        origins.removeAll()
        destinations.removeAll()
        marked.removeAll()
        turning.removeAll()
        wantsMore.removeAll()
        lastSession = nil
        let checked = networkCheck?.stop() ?? eventLoop.makeSucceededVoidFuture()
        relay?.close()
        relay = nil
        inheritance = nil
        onSuccessorEnded = nil
        group = nil
        match?.stop()
        match = nil
        lan?.stop()
        lan = nil
        network?.stop()
        network = nil
        neighbours.removeAll()
        turnTask = nil
        outlets.closeAll()
        guard let socket else { return checked }
        self.socket = nil
        return socket.close().and(checked).map { _ in }
    }

    // MARK: Time

    /// The time now, never earlier than any time given before.
    func currentTime() -> Instant {
        latest = max(latest, MonotonicClock.now())
        return latest
    }

    /// Makes a time that the socket read never earlier than any time given before.
    func tick(_ now: Instant) -> Instant {
        latest = max(latest, now)
        return latest
    }

    // MARK: Complaints

    /// Logs what others can bring about as often as they like, within a limit. Text that came over the network cannot pass
    /// for a line of its own.
    func complain(
        _ message: Logger.Message, _ metadata: KeyValuePairs<String, String>, limit: inout ComplaintLimit
    ) {
        let (isAllowed, leftOut) = limit.take(now: currentTime())
        guard isAllowed else { return }
        var all: Logger.Metadata = [:]
        for (key, value) in metadata { all[key] = "\(value.onOneLine)" }
        if leftOut > 0 { all["left_out"] = "\(leftOut)" }
        logger.warning(message, metadata: all)
        // Refusals of connections and datagrams are events of their own, counted.
        guard !["connection refused", "datagram refused"].contains(message.description) else { return }
        events.post(.warning(message: message.description, details: all.mapValues(\.description)))
    }

    /// Logs what an operator should know and what happens seldom, and tells those who follow events.
    func warn(_ message: Logger.Message, _ details: [String: String], level: Logger.Level = .warning) {
        let details = details.mapValues(\.onOneLine)
        logger.log(level: level, message, metadata: details.mapValues { .string($0) })
        events.post(.warning(message: message.description, details: details))
    }

    // MARK: Turns

    /// Wants the channel drained in this turn, or in one that follows at once.
    func mark(_ channel: PeerChannel) {
        if !channel.isMarked {
            channel.isMarked = true
            marked.append(channel)
        }
        scheduleTurn()
    }

    /// Wants a turn as soon as the event loop is free.
    func scheduleTurn() {
        guard !isInTurn, !isTurnScheduled else { return }
        isTurnScheduled = true
        if turnTask == nil {
            let bound = NIOLoopBound(self, eventLoop: eventLoop)
            turnTask = LoopTask { bound.value.scheduledTurn() }
        }
        if let turnTask { eventLoop.execute(turnTask.run) }
    }

    private func scheduledTurn() {
        guard isTurnScheduled else { return }
        turn()
    }

    /// Drains everything that was touched.
    func turn() {
        guard !isInTurn, let socket else { return }
        isTurnScheduled = false
        isInTurn = true
        let now = currentTime()
        if now >= memory.nextLook { measureMemory(now: now) }
        drainSecure(now: now)
        // Handling one channel's events can touch another: go on until none is left.
        while !marked.isEmpty {
            swap(&marked, &turning)
            for channel in turning {
                channel.isMarked = false
                let sender = outlets.isEmpty ? socket.sender : sender(for: channel.sessionInUse?.local)
                if !drain(channel, sender ?? socket.sender, now: currentTime()) { wantsMore.append(channel) }
            }
            turning.removeAll(keepingCapacity: true)
        }
        for peer in peers where peer.isEnding { peer.disposeEnded() }
        socket.sender.flush()
        handleRefusals(socket.sender)
        outlets.flush()
        isInTurn = false
        for channel in wantsMore { mark(channel) }
        wantsMore.removeAll(keepingCapacity: true)
    }

    /// Whether the kernel takes datagrams now.
    var canSendNow: Bool { socket?.sender.isWritable ?? true }

    /// An address of ours is gone: datagrams leave by whichever the routing table gives from now on. Linux says of such an IPv4 address
    /// that the network cannot be reached, which may also be true; where the kernel does not tell of changes, that is when to look.
    private func handleRefusals(_ sender: DatagramSender) {
        while let refusal = sender.pollRefusal() {
            if refusal.reason == .unreachable { network?.lookSoon() }
            guard refusal.reason == .badSource else { continue }
            for session in sessions where session.remote == refusal.destination && session.local != nil {
                session.local = nil
                session.exit = 0
                session.session.changeSendID()
            }
        }
    }

    /// Sends what a channel has and handles its events; false when it used up its part of the turn.
    private func drain(_ channel: PeerChannel, _ sender: DatagramSender, now: Instant) -> Bool {
        var budget = Self.bytesPerTurn
        var isDry = false
        let blackout = self.blackout(of: channel)
        while true {
            isDry = false
            while budget > 0, sender.isWritable {
                guard let count = transmit(channel, sender, past: blackout, now: currentTimeInTurn(now)) else {
                    isDry = true
                    break
                }
                budget -= max(count, Self.leastPerPacket)
            }
            guard channel.drainEvents(now: currentTimeInTurn(now)) else { break }
        }
        channel.peer.refreshDeadline()
        // A socket that is full says so when it is not; everything is drained then.
        return isDry || !sender.isWritable
    }

    /// Event handling reads the clock for its commands; what follows in the turn must not be earlier.
    private func currentTimeInTurn(_ now: Instant) -> Instant { max(latest, now) }

    /// Sends what the secure endpoint has and handles its events.
    private func drainSecure(now: Instant) {
        guard let socket else { return }
        var isBusy = true
        while isBusy {
            isBusy = false
            while socket.sender.isWritable {
                var output = unsafe OutputRawSpan(buffer: packet, initializedCount: 0)
                guard let route = secure.pollTransmit(into: &output, now: now) else { break }
                let count = output.byteCount
                let datagram = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: packet[0..<count]))
                send(datagram, to: route.remote, from: route.local)
            }
            isBusy = drainSecureEvents(now: now)
        }
        if let next = secure.nextTimeout { noteDeadline(next) }
    }

    /// Handles the events of the secure endpoint; false when there was none.
    @discardableResult
    func drainSecureEvents(now: Instant) -> Bool {
        var hadEvents = false
        while let event = secure.pollEvent() {
            hadEvents = true
            switch event {
            case .established(let session):
                if session.isJoin {
                    group?.onJoining(session, now: now)
                } else {
                    peersByID[session.peerID]?.onEstablished(session, now: now)
                }
            case .failed(let session, let failure):
                if !session.isJoin { peersByID[session.peerID]?.onFailed(session, failure) }
            }
        }
        return hadEvents
    }

    /// Arms the timer for `deadline` if nothing earlier is.
    func noteDeadline(_ deadline: Instant) {
        guard deadline < nextDeadline else { return }
        nextDeadline = deadline
        // What is due already is no late one when it comes.
        dueAt = deadline > latest ? deadline : MonotonicClock.now()
        timer?.arm(at: deadline)
    }
    private(set) var nextDeadline: Instant = .distantFuture
    /// When the timer is to come.
    private var dueAt: Instant = .distantFuture

    // MARK: Sessions

    /// What this gateway tells others that it can (`docs/wire-format.md` §4).
    var capabilities: UInt64 {
        let always = Bind.carriesFlows | Bind.followsSuccessor | (pathRules.multipath == .off ? 0 : Bind.keepsPaths)
        guard group != nil else { return always }
        return always | Bind.takesAdminRequests | Bind.takesIntroductions
            | (forwarding.isWilling ? Bind.forwards : 0)
    }

    /// Datagrams with the session's connection id go to it from now on.
    func register(_ session: ChannelSession) { registerIDs(of: session) }

    /// Has the connection ids that the session accepts now lead to it, and no others.
    func registerIDs(of session: ChannelSession) {
        for id in session.ids where sessionsByID[id] === session { sessionsByID[id] = nil }
        session.ids = session.session.acceptedIDs
        session.idChanges = session.session.idChanges
        if let blackout, blackout.takes(session) {
            if lastSession === session { lastSession = nil }
            return
        }
        // One that is taken, which is less likely than a hit by lightning, stays with whoever has it.
        for id in session.ids where sessionsByID[id] == nil { sessionsByID[id] = session }
    }

    /// Ends a session; its datagrams are dropped from now on.
    func forget(_ session: ChannelSession) {
        for id in session.ids where sessionsByID[id] === session { sessionsByID[id] = nil }
        blackout?.forget(session)
        if lastSession === session { lastSession = nil }
        session.session.close()
        closeOutlet(of: session)
    }

    /// The sessions there are, each once.
    var sessions: [ChannelSession] {
        sessionsByID.compactMap { $0.value.ids.first == $0.key ? $0.value : nil } + (blackout?.sessions ?? [])
    }

    /// Whether there is a socket for an IP version.
    func canSend(to family: Endpoint.Family) -> Bool {
        socket?.localEndpoints.contains { $0.family == family } ?? false
    }
}

@available(*, unavailable)
extension GatewayCore: Sendable {}

extension GatewayCore: WakeupHandler {
    func wakeupFired(now: Instant) {
        let now = tick(now)
        nextDeadline = .distantFuture
        noteLateness(of: dueAt, now: now)
        if let next = secure.nextTimeout, next <= now { secure.timeoutFired(now: now) }
        match?.wakeupFired(now: now)
        lan?.wakeupFired(now: now)
        for peer in peers {
            if peer.deadline <= now { peer.timeoutFired(now: currentTime()) } else { noteDeadline(peer.deadline) }
        }
        turn()
        // Another timer came before the look was due.
        noteMemoryLook()
    }
}
