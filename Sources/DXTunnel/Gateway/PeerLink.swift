import DXSecure
import DXStream
import DXWire
import Logging
import NIOCore

/// One configured peer: calls it, keeps its channel, calls again. Bound to the gateway's event loop.
final class PeerLink {
    private(set) var name: String
    let id: GatewayID
    let role: ChannelRole
    private(set) var addresses: [HostAddress]
    /// This gateway calls it; else it only answers.
    private(set) var isWanted = true
    /// How this peer's channels behave.
    let channelConfiguration: ChannelConfiguration
    var channel: PeerChannel?
    /// Channels that have ended and still tell the peer so.
    var ending: [PeerChannel] = []
    /// Established sessions whose BIND has not come.
    private var binding: [ChannelSession] = []
    /// Handshakes that we began.
    private var attempts: [DTLSSession] = []
    var reconnect = ReconnectMachine()
    private var isResolving = false
    /// What the next channel's half will be; new for each channel that ends.
    var nextHalf: UInt64
    private var pathCount: UInt32 = 0
    private var nextRekeyCheck: Instant = .distantFuture
    /// Since when a successor of the present session is wanted.
    private var rekeyWantedSince: Instant?
    /// What the peer can have logged.
    var complaints = ComplaintLimit()
    unowned let core: GatewayCore
    /// When the gateway must look at this peer again.
    var deadline: Instant = .distantFuture
    private(set) var lastError: String?
    private(set) var stateSince: Timestamp = .now()
    private(set) var hasFailed = false
    /// Counts of channels that have ended.
    var pastBytes: (sent: UInt64, received: UInt64) = (0, 0)
    var past = PastChannels()
    /// What went over its paths, by kind.
    var ledger = PathLedger()
    var boots = BootHistory()
    /// Sessions of another start of the peer, while the one in use is asked whether it still runs.
    var doubted: Doubted?
    /// Where the peer was last.
    private(set) var lastRemote: Endpoint?
    /// The address and port of ours there.
    private(set) var lastBase: Endpoint?
    /// A way that an introduction found, and when it is to be called over.
    var pendingWay: (way: Way, due: Instant)?
    /// The way of the session in use, if an introduction found it.
    var usedWay: Way?
    /// Those of attempts.
    private var wayByRemote: [Endpoint: Way] = [:]
    /// When it was last called because the network changed.
    var newsCalledAt: Instant?
    /// The way through another member.
    var forwarding = Forwarding()
    /// Which paths there are to be, and the handshakes for further ones.
    private(set) lazy var paths = PeerPaths(
        self, role: role, rules: core.pathRules, random: RandomSource(seed: core.random.next()))
    var pathAttempts: [PathAttempt] = []
    /// Its addresses, looked up when it was called last.
    private(set) var knownEndpoints: [Endpoint] = []
    private var calls = CallTurns()
    /// Whether its host is being asked for a gateway that does not answer.
    var goneSearch: GoneSearch?

    /// Sessions beyond this wait for nothing: a peer has no reason to begin more at a time.
    static let maximumBinding = 8
    /// How long a session may wait for its BIND: the peer repeats it within 3.2 s.
    private static let bindTimeout = Interval.seconds(10)
    /// How long deadlines rest while the kernel takes no more datagrams.
    private static let blockedPause = Interval.milliseconds(2)

    init(_ peer: GatewayConfiguration.Peer, role: ChannelRole, core: GatewayCore) {
        name = peer.name
        id = peer.id
        self.role = role
        addresses = peer.addresses
        var channelConfiguration = core.channelConfiguration
        switch peer.congestion {
        case .automatic: channelConfiguration.congestion = .automatic
        case .cubic: channelConfiguration.congestion = .cubic
        case .bbr: channelConfiguration.congestion = .bbr
        }
        self.channelConfiguration = channelConfiguration
        self.core = core
        nextHalf = core.random.next()
    }

    /// Whether there is something to try.
    private var canBeCalled: Bool { !addresses.isEmpty || lastRemote != nil || core.match != nil }

    /// Whether a channel is up.
    var isConnected: Bool { channel != nil }

    // MARK: Calling

    /// Calls the peer, if it can be called. The gateway with the larger id lets the other go first for a moment: two
    /// calls at once work, but one is enough.
    func start(now: Instant) {
        guard canBeCalled, isWanted else { return }
        reconnect.want(at: role == .lower ? now : now + .milliseconds(300))
        refreshDeadline()
    }

    /// The group says something else of it.
    func update(_ peer: GatewayConfiguration.Peer, isWanted: Bool, now: Instant) {
        name = peer.name
        let isNews = isWanted && (!self.isWanted || addresses != peer.addresses)
        addresses = peer.addresses
        self.isWanted = isWanted
        if isNews, channel == nil { start(now: now) }
    }

    /// Ends the channel when it has been there for a minute and carries nothing but the group's exchange.
    func endIfNeedless(now: Instant) {
        guard let channel, !isWanted, channel.streamCount <= 1, channel.since + core.tuning.needlessTime <= now,
            !core.forwarding.needs(id, now: now)
        else { return }
        channel.transport.close(.shutdown, reason: "not needed", now: now)
        core.mark(channel)
    }

    /// It is a member no more: everything ends here and now, and no byte goes there.
    func cut(now: Instant) {
        addresses = []
        lastRemote = nil
        core.closeOutlet(at: lastBase)
        lastBase = nil
        pendingWay = nil
        usedWay = nil
        isWanted = false
        core.match?.forget(id)
        core.group?.introductions.forget(id)
        for attempt in attempts { attempt.close() }
        attempts.removeAll()
        endPaths(now: now)
        for session in binding + (doubted?.sessions ?? []) { core.forget(session) }
        binding.removeAll()
        doubted = nil
        let cut = ending + [channel].compactMap { $0 }
        // Without sessions nothing can leave any more; the streams' owners are told all the same.
        for channel in cut {
            channel.dispose()
            guard channel.end == nil else { continue }
            channel.transport.close(.shutdown, reason: "not a member any more", now: now)
            channel.drainEvents(now: now)
        }
        channel = nil
        ending.removeAll()
        deadline = .distantFuture
        core.forwarding.forget(id)
        if !cut.isEmpty { core.logger.notice("peer is cut off", metadata: ["peer": "\(name)"]) }
    }

    /// Does what is due.
    func timeoutFired(now: Instant) {
        for session in binding { session.bind.timeoutFired(now: now) }
        expireBinding(now: now)
        if let doubted, doubted.until <= now { follow(doubted, now: now) }
        if let channel {
            if channel.transport.nextTimeout.map({ $0 <= now }) ?? false {
                channel.transport.timeoutFired(now: core.currentTime())
                core.mark(channel)
            }
            if channel.livenessDeadline.map({ $0 <= now }) ?? false {
                channel.endOutlasted(now: core.currentTime())
                core.mark(channel)
            }
            if nextRekeyCheck <= now { checkRekey(channel, now: now) }
            for session in channel.sessions { session.bind.timeoutFired(now: now) }
        }
        for old in ending where old.transport.nextTimeout.map({ $0 <= now }) ?? true {
            old.transport.timeoutFired(now: core.currentTime())
            core.mark(old)
        }
        endOutlastedAside(now: now)
        followWay(now: now)
        retryDirect(now: now)
        tryMember(now: now)
        if reconnect.takeAttempt(now: now) { call() }
        if paths.nextTimeout.map({ $0 <= now }) ?? false { paths.timeoutFired(now: now) }
        sendBinds(now: now)
        refreshDeadline()
    }

    /// Works out when to be called next.
    func refreshDeadline() {
        var next = Instant.distantFuture
        if let channel {
            next = min(next, channel.transport.nextTimeout ?? .distantFuture)
            next = min(next, nextRekeyCheck, channel.livenessDeadline ?? .distantFuture)
            for session in channel.sessions { next = min(next, session.bind.nextTimeout ?? .distantFuture) }
        }
        for old in ending {
            next = min(next, old.transport.nextTimeout ?? .distantFuture, old.livenessDeadline ?? .distantFuture)
        }
        for session in binding {
            next = min(next, session.bind.nextTimeout ?? .distantFuture, session.since + Self.bindTimeout)
        }
        if let doubted { next = min(next, doubted.until) }
        if let attempt = reconnect.nextAttempt { next = min(next, attempt) }
        if let pendingWay { next = min(next, pendingWay.due) }
        next = min(next, forwarding.directAt, forwarding.tryAt, paths.nextTimeout ?? .distantFuture)
        // While the kernel takes no more, what is overdue stays so; the socket tells when that is over.
        if !core.canSendNow { next = max(next, core.currentTime() + Self.blockedPause) }
        deadline = next
        core.noteDeadline(next)
    }

    func call() {
        guard !core.isSucceeded else { return }
        if isForwarded, !isStranded, isHeard {
            // The search at the matchmakers goes on, with pauses of its own.
        } else {
            core.match?.introduce(id)
            expectAnswer()
        }
        core.lan?.follow(now: core.currentTime())
        core.group?.introduce(id)
        guard attempts.isEmpty, !isResolving else { return }
        isResolving = true
        let loop = core.eventLoop
        let bound = NIOLoopBound(self, eventLoop: loop)
        let lookUps = addresses.map { address in
            NameResolver.resolve(address, at: core.gate).flatMapErrorThrowing { error in
                bound.value.lastError = "\(error)"
                return []
            }
        }
        EventLoopFuture.whenAllSucceed(lookUps, on: loop).whenSuccess { lists in
            bound.value.isResolving = false
            bound.value.call(lists.flatMap { $0 })
        }
    }

    private func call(_ endpoints: [Endpoint]) {
        guard !core.isStopping else { return }
        knownEndpoints = endpoints
        var remotes: [Endpoint] = []
        for endpoint in endpoints + [lastRemote].compactMap({ $0 })
        where endpoint.isSendable && !remotes.contains(endpoint) && core.canSend(to: endpoint.family) {
            remotes.append(endpoint)
        }
        for remote in calls.next(of: remotes, known: lastRemote) {
            begin(remote, from: remote == lastRemote ? core.outlet(at: lastBase) : nil)
        }
        if attempts.isEmpty { onCallFailed(whyNobodyIsCalled) }
        core.scheduleTurn()
    }

    private var whyNobodyIsCalled: String {
        core.match?.links.isEmpty ?? true ? "none of its addresses can be called" : "no way to it is known yet"
    }

    /// Begins a session, over a way that was found or at an address that was told.
    func begin(
        _ remote: Endpoint, from local: Endpoint? = nil, over way: Way? = nil, under veil: VeilNumber? = nil
    ) {
        wayByRemote[remote] = way
        do throws(SecureError) {
            attempts.append(
                try core.secure.connect(to: id, at: remote, from: local, under: veil, now: core.currentTime()))
        } catch { lastError = "\(core.forwarding.words(for: remote)): \(error)" }
    }

    /// Gives up handshakes under way, without calling that a failure; whether there were any. Whoever does so calls anew.
    func giveUpAttempts(where isVain: (DTLSSession) -> Bool) -> Bool {
        let vain = attempts.filter(isVain)
        for attempt in vain { attempt.close() }
        attempts.removeAll { attempt in vain.contains { $0 === attempt } }
        return !vain.isEmpty
    }

    /// Calls it then, or earlier if that was wanted; pauses after calls in vain begin anew.
    func callSoon(at due: Instant) {
        guard canBeCalled else { return }
        reconnect.onNews(at: due)
    }

    /// Whether a handshake through another member is under way.
    var isCallingThroughMember: Bool {
        attempts.contains { $0.remote.isForwarded } || binding.contains { $0.remote.isForwarded }
    }

    /// Whether a handshake with the peer at this address is under way.
    func isCalling(_ remote: Endpoint) -> Bool {
        attempts.contains { $0.remote == remote } || binding.contains { $0.remote == remote }
    }

    private func onCallFailed(_ reason: String) {
        if let channel, channel.isSucceeded { return callAgainLater() }
        if let channel {
            // The call was made because the channel was silent, and it still is. Open connections wait, for the network may come
            // back within the idle timeout; a peer that restarted ends them when it is found.
            guard !isHeard else { return }
            channel.setSuspended(true)
            searchWhetherGone(channel)
            return callAgainLater()
        }
        lastError = core.match?.failure(of: id) ?? lastError ?? reason
        hasFailed = true
        callAgainLater()
    }

    /// Calls again after a pause, when nothing else is under way.
    private func callAgainLater() {
        guard !isHeard || isSucceeded, attempts.isEmpty, binding.isEmpty, !core.isStopping,
            isWanted, canBeCalled
        else { return }
        reconnect.onFailed(random: &core.random, now: core.currentTime())
        refreshDeadline()
    }

    /// A handshake failed.
    func onFailed(_ session: DTLSSession, _ failure: HandshakeFailure) {
        if pathFailed(session, now: core.currentTime()) { return }
        guard attempts.contains(where: { $0 === session }) else { return }
        attempts.removeAll { $0 === session }
        if channel == nil { lastError = "\(core.forwarding.words(for: session.remote)): \(failure)" }
        guard attempts.isEmpty else { return }
        if channel == nil { core.closeOutlet(at: lastBase) }
        onCallFailed("no answer")
    }

    // MARK: Sessions

    /// A session is established: exchange BINDs.
    func onEstablished(_ session: DTLSSession, now: Instant) {
        let isOurs = attempts.contains { $0 === session }
        if isOurs {
            // One way is enough; the others are given up. Not a direct one for one through another member.
            let others = attempts.filter { $0 !== session && (!session.remote.isForwarded || $0.remote.isForwarded) }
            attempts.removeAll { attempt in attempt === session || others.contains { $0 === attempt } }
            for other in others { other.close() }
            // Meanwhile the peer is reached directly.
            if session.remote.isForwarded, isHeard, !isForwarded { return session.close() }
        }
        guard binding.count < Self.maximumBinding, !core.isStopping, !core.isSucceeded else {
            session.close()
            pathFailed(session, now: now)
            return callAgainLater()
        }
        if session.isInitiator { pathCount &+= 1 }
        let path = PathID(count: session.isInitiator ? pathCount : 0, role: session.isInitiator ? role : role.other)
        let own = Bind(
            isSeen: false, capabilities: core.capabilities, bootID: core.bootID,
            channelHalf: ownHalf,
            pathID: session.isInitiator ? path : PathID(rawValue: 0), parameters: core.channelConfiguration.parameters)
        let entry = ChannelSession(session: session, bind: BindExchange(own: own), pathID: path, since: now)
        entry.exit = core.exit(from: entry.local)
        binding.append(entry)
        core.register(entry)
        sendBinds(now: now)
        refreshDeadline()
    }

    /// A BIND came on one of this peer's sessions.
    func receive(_ bind: Bind, on session: ChannelSession, now: Instant) {
        switch session.bind.receive(bind) {
        case .none: break
        case .versionMismatch:
            lastError = "no common protocol version: the peer speaks \(bind.minimumVersion) to \(bind.version)"
            drop(session)
        case .attach(let bind): attach(session, bind, now: now)
        }
        sendBinds(now: now)
        refreshDeadline()
    }

    func attach(_ session: ChannelSession, _ bind: Bind, now: Instant) {
        binding.removeAll { $0 === session }
        guard session.bind.own.channelHalf == ownHalf, !isOfPredecessor(bind) else {
            // The old start may have taken it as a path of the channel that there is.
            if let channel, channel.remoteHalf == bind.channelHalf {
                session.pathID = session.session.isInitiator ? session.pathID : bind.pathID
                channel.refuse(session)
            }
            // The channel that our BIND spoke of ended meanwhile, and the peer may have joined to it.
            drop(session)
            reconnect.want(at: now)
            return
        }
        if !session.session.isInitiator {
            guard bind.pathID.role == role.other else { return drop(session) }
            session.pathID = bind.pathID
            pathCount = max(pathCount, UInt32(truncatingIfNeeded: bind.pathID.rawValue &>> 1))
        }
        switch judge(session, bind, now: now) {
        case .use: break
        case .ask: return ask(session, bind, now: now)
        case .refuse: return drop(session)
        }
        let half = ownHalf
        // What ends with the old channel is not what found the new one.
        if let channel, channel.isSucceeded || channel.remoteHalf != bind.channelHalf {
            pathAttempts.removeAll { $0.session === session.session }
        }
        if let channel, channel.isSucceeded {
            part(channel)
        } else if let channel, channel.remoteHalf != bind.channelHalf {
            core.logger.info("peer restarted: its old channel ends", metadata: ["peer": "\(name)"])
            channel.transport.close(.replaced, reason: "the peer began a new channel", now: now)
            channel.drainEvents(now: now)
            end(channel)
        }
        let isNew = channel == nil
        let target =
            channel
            ?? PeerChannel(
                core: core, peer: self, localHalf: half, remoteHalf: bind.channelHalf, bind: bind, now: now)
        let isFurther: Bool
        do throws(DXStream.ChannelError) { isFurther = try target.attach(session, now: now) } catch {
            lastError = "a session could not join the channel: \(error)"
            target.refuse(session)
            return drop(session)
        }
        target.peerCapabilities = bind.capabilities
        if !isFurther {
            if !session.remote.isForwarded { note(session.remote, session.local) }
            usedWay = wayByRemote[session.remote]
            wayByRemote.removeAll()
        }
        if isNew { onChannelUp(target, now: now) }
        pathAttached(session, now: now)
        noteTraffic()
        reconnect.onConnected()
        noteForwarding(session, now: now)
        rekeyWantedSince = nil
        nextRekeyCheck = now + core.tuning.rekeyCheckInterval
    }

    private func onChannelUp(_ channel: PeerChannel, now: Instant) {
        self.channel = channel
        stateSince = .now()
        lastError = nil
        hasFailed = false
        core.logger.info(
            "peer connected",
            metadata: [
                "peer": "\(name)",
                "address": "\(channel.sessions.first.map { core.forwarding.words(for: $0.remote) } ?? "")",
            ])
        let remote = channel.sessions.first?.remote
        core.events.post(
            .peerUp(
                peer: name, path: channel.pathKind,
                address: remote.flatMap { $0.isForwarded ? nil : $0.description }))
        core.onChannelUp(channel)
    }

    /// The peer is there, heard at this address of ours.
    func note(_ remote: Endpoint, _ base: Endpoint?) {
        (lastRemote, lastBase) = (remote, base)
        core.group?.noteReached(id, at: remote, from: base)
    }

    /// It was there when this gateway ran last.
    func remember(_ place: ReachBook.Place) { (lastRemote, lastBase) = (place.remote, place.base) }

    func drop(_ session: ChannelSession) {
        binding.removeAll { $0 === session }
        core.forget(session)
        pathFailed(session.session, now: core.currentTime())
        callAgainLater()
    }

    private func expireBinding(now: Instant) {
        for session in binding where session.since + Self.bindTimeout <= now { drop(session) }
    }

    private func sendBinds(now: Instant) {
        for session in binding + (channel?.sessions ?? []) {
            if let bind = session.bind.pollTransmit(now: now) { core.send(bind, on: session) }
        }
    }

    private func checkRekey(_ channel: PeerChannel, now: Instant) {
        nextRekeyCheck = now + core.tuning.rekeyCheckInterval
        // A session that is begun now is another start's.
        guard !channel.isSucceeded, !core.isSucceeded else { return }
        // One that does not answer is opened anew by the plan.
        let down = Set(channel.transport.pathSnapshots.filter(\.isDown).map(\.id))
        let due = channel.sessions.filter {
            $0.session.needsRekey(now: now) && !down.contains($0.pathID) && !channel.isReplaced($0.pathID)
        }
        guard attempts.isEmpty, binding.isEmpty, !due.isEmpty else { return }
        let since = rekeyWantedSince ?? now
        rekeyWantedSince = since
        // The initiator renews; the other end does only if that does not happen.
        let isLate = now >= since + core.tuning.rekeyCheckInterval * 6
        if let session = due.first(where: { isLate || $0.session.isInitiator }) { renew(session) }
    }

    /// Begins a successor of the session in use.
    func renew() {
        guard attempts.isEmpty, let channel, !channel.isSucceeded, let session = channel.sessionInUse else { return }
        renew(session)
    }

    private func renew(_ session: ChannelSession) {
        begin(session.remote, from: session.local, over: session === channel?.sessionInUse ? usedWay : nil)
        core.scheduleTurn()
    }

    // MARK: The channel's life

    /// The channel's path did not answer once.
    func onPathDoubted(_ channel: PeerChannel) {
        if channel === self.channel, !channel.isForwarded { core.match?.doubt() }
    }

    /// The channel's path does not answer: try to reach the peer anew, beside it. A restarted peer is found this way.
    func onPathSuspect(_ channel: PeerChannel, now: Instant) {
        guard channel === self.channel else { return }
        core.logger.info("peer does not answer: calling it anew", metadata: ["peer": "\(name)"])
        core.match?.suspect(id)
        for peer in core.forwarding.peers(through: id) { peer.forwarderIsGone(now: now) }
        reconnect.want(at: now)
        searchWhetherGone(channel)
        refreshDeadline()
    }

    /// The transport ended.
    func onChannelEnded(_ channel: PeerChannel, _ reason: ChannelEnd, now: Instant) {
        core.onChannelDown(channel)
        guard channel === self.channel else { return }
        for peer in core.forwarding.peers(through: id) { peer.forwarderIsGone(now: now) }
        lastError = Self.words(for: reason)
        stateSince = .now()
        core.logger.info("peer disconnected", metadata: ["peer": "\(name)", "reason": "\(lastError ?? "")"])
        core.events.post(.peerDown(peer: name, reason: lastError?.onOneLine ?? ""))
        end(channel)
        // A peer that is stopping will not answer at once.
        if canBeCalled, isWanted {
            reconnect.want(at: now + .milliseconds(reason.code == .shutdown ? 1_000 : 0))
        }
        refreshDeadline()
    }

    private func end(_ channel: PeerChannel) {
        guard channel === self.channel else { return }
        setAside(channel)
        nextHalf = core.random.next()
        nextRekeyCheck = .distantFuture
    }

    /// Lets channels go that have said all.
    func disposeEnded() {
        for channel in ending where channel.transport.isClosed {
            countRest(of: channel)
            channel.dispose()
        }
        ending.removeAll { $0.transport.isClosed }
    }

    /// Wants all channels drained.
    func markAll() {
        if let channel { core.mark(channel) }
        for channel in ending { core.mark(channel) }
    }

    /// Whether some channel still has to tell its peer that it ended.
    var isEnding: Bool { !ending.isEmpty }

    /// Ends everything.
    func stop(now: Instant) {
        for attempt in attempts { attempt.close() }
        attempts.removeAll()
        endGoneSearch()
        for session in binding + (doubted?.sessions ?? []) { core.forget(session) }
        binding.removeAll()
        doubted = nil
        for channel in channels {
            channel.transport.close(.shutdown, reason: "the gateway is stopping", now: now)
            core.mark(channel)
        }
    }

    private static func words(for end: ChannelEnd) -> String {
        let reason = end.reason.isEmpty ? "\(end.code)" : end.reason
        switch end.cause {
        case .local: return reason
        case .peer: return "closed by the peer: \(reason)"
        case .violation: return "the peer broke the protocol: \(reason)"
        case .idleTimeout: return "the peer went silent"
        }
    }
}

@available(*, unavailable)
extension PeerLink: Sendable {}
