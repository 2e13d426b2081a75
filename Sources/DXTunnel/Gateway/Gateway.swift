internal import DXSecure
internal import DXSocket
internal import DXWire
public import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NIOPosix
public import ServiceLifecycle

/// A gateway, for a program to run or to embed.
///
/// ```swift
/// let gateway = try Gateway(configuration: configuration, logger: logger)
/// try await ServiceGroup(services: [gateway], gracefulShutdownSignals: [.sigterm], logger: logger).run()
/// ```
///
/// While it runs, the program may `dial` a tunnel as its origin and `serve` one as its destination, without any TCP port.
/// What belongs to a peer lives on one event loop, of one or several; the methods may be called from anywhere.
public final class Gateway: Service {
    private let configured: NIOLockedValueBox<GatewayConfiguration>
    private let group: GroupStart?
    private let logger: Logger
    private let identity: Identity
    private let veils: [VeilSecret]
    private let tuning: GatewayTuning
    private let plan: LoopPlan
    let audit: AuditLog?
    let rehearsals = RehearsalSlot()
    let eventHub = EventHub()
    let traceSlots = TraceSlots()
    private let loops = NIOLockedValueBox<[Running]>([])
    private let serving = NIOLockedValueBox<MatchService?>(nil)
    private let acceptors = NIOLockedValueBox<[String: StreamAcceptor]>([:])
    private let inheritance = NIOLockedValueBox<Inheritance?>(nil)
    /// The next start has ended.
    private let ending = AsyncStream.makeStream(of: Void.self)

    /// What the gateway is configured to be now; changes when it follows a group.
    private var configuration: GatewayConfiguration { configured.withLockedValue { $0 } }

    /// What there is of an event loop while the gateway runs.
    private struct Running {
        var core: NIOLoopBound<GatewayCore>
        var gate: LoopGate
    }

    /// This gateway's id as text.
    public var id: String { identity.gatewayID.text }

    /// A gateway that does not run yet. The configuration is checked and the keys are read.
    ///
    /// - Throws: `GatewayError.invalidConfiguration` with every problem, `GatewayError.keyFile`.
    public convenience init(configuration: GatewayConfiguration, logger: Logger) throws {
        try self.init(configuration: configuration, logger: logger, tuning: GatewayTuning())
    }

    /// The same with other times and limits, for tests.
    init(configuration: GatewayConfiguration, logger: Logger, tuning: GatewayTuning) throws {
        let problems = configuration.validate()
        guard problems.isEmpty else { throw GatewayError.invalidConfiguration(problems.map { "\($0)" }) }
        configured = NIOLockedValueBox(configuration)
        group = nil
        self.logger = logger
        self.tuning = tuning
        plan = LoopPlan(configuration, coreCount: System.coreCount)
        audit = AuditLog(configuration.audit, directory: nil)
        identity = try Self.identity(configuration.identity)
        veils = try configuration.veils.map(Self.veil)
    }

    /// A gateway that does what its group agreed on. Takes the directory for itself until it is released.
    ///
    /// - Parameters:
    ///   - stateDirectory: what `GroupCreation` or `GroupJoining` made.
    ///   - settings: what is this gateway's own.
    /// - Throws: `StateProblem` when there is no group, a file is damaged, or another gateway runs from the directory;
    ///   `GatewayError.invalidConfiguration` when a limit is out of its range.
    public convenience init(stateDirectory: String, settings: LocalSettings, logger: Logger) throws {
        try self.init(stateDirectory: stateDirectory, settings: settings, logger: logger, tuning: GatewayTuning())
    }

    /// The same with other times and limits, for tests.
    init(stateDirectory: String, settings: LocalSettings, logger: Logger, tuning: GatewayTuning) throws {
        let problems = settings.limits.validate()
        guard problems.isEmpty else { throw GatewayError.invalidConfiguration(problems.map { "\($0)" }) }
        let directory = try StateDirectory(locking: stateDirectory)
        let file = try directory.group()
        let epochs = try directory.epochs()
        guard !epochs.isEmpty else {
            throw StateProblem(stateDirectory, "holds no epoch's secret", "put a backup in its place, or join again")
        }
        identity = try directory.identity()
        veils = epochs.suffix(2).reversed().map(\.secret)
        let invites = try directory.invites(calendar: Timestamp.now().wholeSeconds, now: MonotonicClock.now())
        group = GroupStart(
            directory: directory, file: file, epochs: epochs, invites: invites, settings: settings,
            reach: directory.reach())
        let state = GroupState(file.document.held)
        var limits = settings.limits
        limits.threads = 1
        let configuration = GatewayConfiguration(
            name: state.members.first { $0.id == file.member }?.name ?? "new",
            identity: .file(path: directory.identityPath),
            veils: [], listen: settings.listen, controlPath: settings.controlPath, limits: limits)
        configured = NIOLockedValueBox(configuration)
        self.logger = logger
        self.tuning = tuning
        plan = LoopPlan(configuration, coreCount: 1)
        audit = AuditLog(settings.audit, directory: directory.path)
    }

    /// The name of this gateway now.
    public var name: String { configuration.name }

    private static func identity(_ source: IdentitySource) throws -> Identity {
        switch source {
        case .file(let path):
            do { _ = try KeyFiles.gatewayID(at: path) } catch { throw GatewayError.keyFile("\(error)") }
            return try Identity.read(from: path)
        case .pem(let text):
            guard let identity = Identity(pem: text) else {
                throw GatewayError.keyFile("the identity in memory is not a P-256 key in PEM")
            }
            return identity
        }
    }

    private static func veil(_ source: VeilSource) throws -> VeilSecret {
        switch source {
        case .file(let path):
            do { try KeyFiles.checkVeil(at: path) } catch { throw GatewayError.keyFile("\(error)") }
            return try VeilSecret.read(from: path)
        case .secret(let bytes):
            guard let secret = VeilSecret(bytes) else {
                throw GatewayError.keyFile("a veil secret in memory has \(bytes.count) bytes, not 32")
            }
            return secret
        }
    }

    // MARK: Running

    /// Runs until the surrounding task is cancelled or the service group shuts down gracefully; then tells the peers, resets
    /// the open connections, and frees the ports. May be called once.
    ///
    /// - Throws: `GatewayError.listen` when an address cannot be had, before anything is started; `GatewayError.system`.
    public func run() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: plan.loopCount)
        let gates = group.makeIterator().map { LoopGate($0) }
        // Until no event loop runs any more: what is under way, as a name that is looked up, ends there and asks its core.
        var kept: [Running] = []
        defer { withExtendedLifetime(kept) {} }
        do {
            let running = try await makeCores(gates)
            kept = running
            do {
                try await start(running)
            } catch {
                // What was opened before the failure is closed.
                await finish(running)
                throw error
            }
            loops.withLockedValue { $0 = running }
            // Those that came while it started.
            let acceptors = acceptors.withLockedValue { $0 }
            _ = try await onEachLoop { $0.acceptors = acceptors }
            await shutdownOrSuccessorsEnd()
            loops.withLockedValue { $0 = [] }
            await stop(running)
        } catch {
            for gate in gates { gate.close() }
            try? await group.shutdownGracefully()
            throw error
        }
        for gate in gates { gate.close() }
        try await group.shutdownGracefully()
    }

    /// Everything but sockets and listeners, on each event loop.
    private func makeCores(_ gates: [LoopGate]) async throws -> [Running] {
        var running: [Running] = []
        let shares = LoopShare.all(configuration, plan: plan, audit: audit, rehearsals: rehearsals, events: eventHub)
        for (gate, share) in zip(gates, shares) {
            let (configuration, identity, veils, logger, tuning) = (configuration, identity, veils, logger, tuning)
            let (group, configured) = (group, configured)
            let acceptors = acceptors.withLockedValue { $0 }
            let loop = gate.eventLoop
            let core = try await loop.submit {
                let core = try GatewayCore(
                    configuration: configuration, identity: identity, veils: veils, logger: logger, tuning: tuning,
                    gate: gate, share: share, isInGroup: group != nil)
                if let group {
                    core.group = GroupAgent(group, core: core, identity: identity) { new in
                        configured.withLockedValue { $0 = new }
                    }
                }
                core.acceptors = acceptors
                return NIOLoopBound(core, eventLoop: loop)
            }.get()
            running.append(Running(core: core, gate: gate))
        }
        return running
    }

    // MARK: Restarting

    /// To be taken over from when the gateway starts.
    func setInheritance(_ new: Inheritance) throws {
        guard new.loopCount == plan.loopCount else {
            throw GatewayError.system(
                "it had \(new.loopCount) event loops and would have \(plan.loopCount): stop it and start it again")
        }
        inheritance.withLockedValue { $0 = new }
    }

    /// Ends what is not any event loop's and can be once only: another start does it now.
    func giveUpShared() async {
        await serving.withLockedValue { service in
            defer { service = nil }
            return service
        }?.stop()
        group?.directory.release()
    }

    /// Without the next start, which has the sockets, nothing comes any more.
    private func shutdownOrSuccessorsEnd() async {
        await withTaskGroup { group in
            group.addTask { try? await gracefulShutdown() }
            group.addTask { [ending] in for await _ in ending.stream { return } }
            await group.next()
            group.cancelAll()
        }
    }

    /// Gives each event loop what the start before left it.
    private func inherit(_ running: [Running]) async throws {
        let inheritance = inheritance.withLockedValue { held in
            defer { held = nil }
            return held
        }
        for (number, loop) in running.enumerated() {
            let (core, eventLoop) = (loop.core, loop.gate.eventLoop)
            try await eventLoop.submit { [ending] in
                core.value.inheritance = inheritance
                core.value.onSuccessorEnded = { ending.continuation.yield() }
            }.get()
            guard let relay = inheritance?.relay(of: number) else { continue }
            try await eventLoop.flatSubmit {
                DatagramRelay.open(relay, on: eventLoop) { core.value.relay = nil }
                    .map { core.value.relay = $0.value }
            }.get()
        }
    }

    /// Opens the sockets, one event loop after the other, as the kernel counts them in that order.
    private func start(_ running: [Running]) async throws {
        var listen = try await listenAddress(at: running[0].gate)
        let listeners = try await listenEndpoints(at: running[0].gate)
        let lastPort = lastPort
        let neighbours = running.map { LoopNeighbour($0.core, gate: $0.gate) }
        try await inherit(running)
        for (number, loop) in running.enumerated() {
            listen = try await loop.gate.eventLoop.submit { [listen] in
                let core = loop.core.value
                for (other, neighbour) in neighbours.enumerated() where other != number {
                    core.neighbours[UInt8(other)] = neighbour
                }
                try core.open(listen: listen, orAt: lastPort, listeners: listeners)
                return core.socket?.localEndpoints.first.map { listen.withPort($0.port) } ?? listen
            }.get()
        }
        try await serveMatch(on: running[0])
        // Only when all sockets are there does the kernel know which loop is meant.
        for loop in running { try await loop.gate.eventLoop.submit { loop.core.value.callPeers() }.get() }
        let bound = try await running[0].gate.eventLoop.submit {
            running[0].core.value.socket?.localEndpoints.map(\.description).joined(separator: " ") ?? ""
        }.get()
        logger.info(
            "gateway started", metadata: ["id": "\(id)", "listen": "\(bound)", "threads": "\(running.count)"])
    }

    /// Is a matchmaker, if the settings say so.
    private func serveMatch(on loop: Running) async throws {
        guard let group, let settings = group.settings.serveMatch else { return }
        let service = try await MatchService.start(
            settings, advertise: group.settings.advertise, stateDirectory: group.directory.path, logger: logger,
            at: loop.gate)
        serving.withLockedValue { $0 = service }
        try await loop.gate.eventLoop.submit { loop.core.value.service = service }.get()
        logger.info(
            "matchmaker started", metadata: ["pin": "\(service.pin)", "listen": "\(service.listenText)"])
    }

    /// The port at which the group found this gateway last time, and NATs had their bindings from.
    private var lastPort: UInt16? {
        guard let group, configuration.listen.port == 0 else { return nil }
        if group.reach.book.port != 0 { return group.reach.book.port }
        // What is advertised may be a router's port and none of ours.
        guard group.settings.advertise.isEmpty else { return nil }
        let record = group.file.records.first { $0.key.kind == .address && $0.author == identity.publicKey }
        return record.flatMap { try? AddressRecord($0.body) }?.addresses.first?.port
    }

    /// Where the gateway's UDP sockets are bound; of a name the first address.
    private func listenAddress(at gate: LoopGate) async throws -> ListenAddress {
        if configuration.listen.host.isEmpty { return ListenAddress(anyAt: configuration.listen.port) }
        guard let endpoint = try await NameResolver.resolve(configuration.listen, at: gate).get().first else {
            throw GatewayError.listen("UDP \(configuration.listen): the name has no address")
        }
        return ListenAddress(endpoint)
    }

    /// The addresses of this gateway's origins, looked up.
    private func listenEndpoints(
        at gate: LoopGate
    ) async throws -> [(tunnel: String, place: ListenerPlace)] {
        var result: [(tunnel: String, place: ListenerPlace)] = []
        for tunnel in configuration.tunnels {
            for origin in tunnel.origins where origin.gateway == configuration.name {
                for place in try await ListenerPlace.lookUp(origin, at: gate).get() {
                    result.append((tunnel.name, place))
                }
            }
        }
        return result
    }

    private func stop(_ running: [Running]) async {
        logger.info("gateway stopping")
        // The CLOSE goes out in the first turn; the pause lets resets reach the applications.
        for loop in running { try? await loop.gate.eventLoop.submit { loop.core.value.beginStopping() }.get() }
        try? await running[0].gate.eventLoop.scheduleTask(in: .milliseconds(50)) {}.futureResult.get()
        await finish(running)
    }

    private func finish(_ running: [Running]) async {
        for loop in running {
            try? await loop.gate.eventLoop.flatSubmit {
                let core = loop.core.value
                return core.group?.stop() ?? core.eventLoop.makeSucceededVoidFuture()
            }.get()
        }
        for loop in running { try? await loop.gate.eventLoop.flatSubmit { loop.core.value.finish() }.get() }
        eventHub.finish()
        // What the connections that ended now say.
        if let audit { try? await NIOThreadPool.singleton.runIfActive { audit.write() } }
        // Last, so that this gateway's own registration is taken back.
        await serving.withLockedValue { service in
            defer { service = nil }
            return service
        }?.stop()
    }

    // MARK: Commands

    private func running() throws -> [Running] {
        let running = loops.withLockedValue { $0 }
        guard !running.isEmpty else { throw GatewayError.notRunning }
        return running
    }

    /// Runs `body` with the gateway's inside, on each event loop in turn.
    func onEachLoop<Result: Sendable>(
        _ body: @escaping @Sendable (GatewayCore) throws -> Result
    ) async throws -> [Result] {
        var results: [Result] = []
        for loop in try running() { results.append(try await run(body, on: loop)) }
        return results
    }

    /// The same on the first one, where everything is if there is but one.
    func onLoop<Result: Sendable>(_ body: @escaping @Sendable (GatewayCore) throws -> Result) async throws -> Result {
        try await run(body, on: try running()[0])
    }

    /// Runs `body` on the event loop of that number, with a promise for its answer.
    func onLoop<Result: Sendable>(
        _ number: Int, _ body: @escaping @Sendable (GatewayCore, EventLoopPromise<Result>) -> Void
    ) async throws -> Result {
        let loop = try running()[number]
        return try await loop.gate.submit(closed: GatewayError.notRunning) { body(loop.core.value, $0) }
    }

    private func run<Result: Sendable>(
        _ body: @escaping @Sendable (GatewayCore) throws -> Result, on loop: Running
    ) async throws -> Result {
        try await loop.gate.submit(closed: GatewayError.notRunning) { promise in
            promise.completeWith(Swift.Result { try body(loop.core.value) })
        }
    }

    /// Has the first event loop answer, in its own time.
    func onCore<Result: Sendable>(
        _ body: @escaping @Sendable (GatewayCore, EventLoopPromise<Result>) -> Void
    ) async throws -> Result {
        let loop = try running()[0]
        return try await loop.gate.submit(closed: GatewayError.notRunning) { body(loop.core.value, $0) }
    }

    /// A snapshot of the gateway.
    ///
    /// - Throws: `GatewayError.notRunning`.
    public func status() async throws -> GatewayStatus {
        var status = GatewayStatus(merging: try await onEachLoop { $0.status() }, configuration: configuration)
        // Of the process, so once, and on no event loop: it reads a directory of as many entries as there are connections.
        status.descriptors?.used = DescriptorBudget.openCount()
        status.memory.residentBytes = GatewayCore.residentBytes()
        status.audit = audit?.status
        if let service = serving.withLockedValue({ $0 }) {
            let servers = try await onLoop { $0.group?.view.matchServers ?? [] }
            status.serveMatch = try await service.status(servers: servers)
        }
        return status
    }

    /// Takes no new connections from now on and has the peers send theirs elsewhere, then waits for those that are open to end; how many
    /// have not in time. The gateway goes on running: cancel or shut down gracefully after this.
    ///
    /// - Parameter timeout: how long to wait; nil as the configuration says (`Limits.drainTimeout`).
    /// - Throws: `GatewayError.notRunning`; `CancellationError`.
    @discardableResult
    public func drain(timeout: Duration? = nil) async throws -> Int {
        let limit = timeout ?? configuration.limits.drainTimeout
        let clock = ContinuousClock()
        let start = clock.now
        let graces = try await onEachLoop { core in
            core.setDraining(true)
            return core.drainGrace
        }
        let grace = Duration.nanoseconds((graces.max() ?? .zero).nanoseconds)
        while true {
            let left = try await openConnections()
            let passed = clock.now - start
            // A start before this one gets its datagrams through this one. Its time is its own, unless all are to stop.
            let isRelaying = try await onEachLoop { $0.relay != nil }.contains(true)
            let isSucceeded = try await onEachLoop { $0.isSucceeded }.contains(true)
            let isNeeded = isRelaying && (isSucceeded || passed < limit)
            if left == 0, !isNeeded, passed >= min(grace, limit) {
                // One that was taken over from waits until its peers are with the other start.
                guard passed < min(Self.movePatience, limit), try await onEachLoop({ $0.hasPeersLeft }).contains(true)
                else { return 0 }
            }
            if passed >= limit, !isNeeded { return left }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// A peer that has not come to the other start in that time does not depend on this one either.
    private static let movePatience = Duration.seconds(10)

    /// Begins to drain and does not wait, or takes connections again; how many are open.
    public func setDraining(_ isDraining: Bool) async throws -> Int {
        _ = try await onEachLoop { $0.setDraining(isDraining) }
        return try await openConnections()
    }

    /// Uses the destinations of a tunnel that have failed again, as soon as they are well.
    ///
    /// - Throws: `GatewayError.notRunning`, `unknownTunnel`.
    public func failBack(_ tunnel: String) async throws {
        let found = try await onEachLoop { core in
            guard let origin = core.origins.first(where: { $0.name == tunnel }) else { return false }
            origin.failBack()
            return true
        }
        guard found.contains(true) else { throw GatewayError.unknownTunnel(tunnel) }
    }

    /// Measures one round trip to a peer, through both gateways.
    ///
    /// - Parameters:
    ///   - peer: its configured name, or at least 8 characters of its id.
    ///   - timeout: how long to wait for the answer.
    /// - Throws: `GatewayError.notRunning`, `unknownPeer`, `notConnected`, `noAnswer`.
    public func ping(_ peer: String, timeout: Duration = .seconds(5)) async throws -> Duration {
        let known = configuration.peers.first {
            $0.name == peer || $0.id.text.hasPrefix(peer) && peer.count >= 8
        }
        let running = try running()
        guard let known else { throw GatewayError.unknownPeer(peer) }
        // In a group there is one event loop.
        let loop = running[plan.loopByPeer[known.name] ?? 0]
        let interval: Interval = try await loop.gate.submit(closed: GatewayError.notRunning) { promise in
            let expiry = loop.gate.eventLoop.scheduleTask(in: TimeAmount(timeout)) {
                promise.fail(GatewayError.noAnswer(peer))
            }
            promise.futureResult.whenComplete { _ in expiry.cancel() }
            loop.core.value.ping(known.name, as: peer, promise: promise)
        }
        return .nanoseconds(interval.nanoseconds)
    }

    /// Opens a connection through a tunnel of which this gateway is an origin, to the destination of that name or, without
    /// one, to the best. Returns at once: whether the target accepts shows when the stream is read.
    ///
    /// - Throws: `GatewayError.notRunning`, `unknownTunnel`, `isUDP`, `notADestination`, `notConnected`, `connectionLimit`,
    ///   `exhausted`.
    public func dial(_ tunnel: String, to destination: String? = nil) async throws -> TunnelStream {
        try await onOrigin(of: tunnel) { core, promise in
            promise.completeWith(
                Result { TunnelStream(bridge: try core.dial(tunnel, to: destination), gate: core.gate) })
        }
    }

    /// Has the event loop of a tunnel's origin answer, in its own time.
    func onOrigin<Result: Sendable>(
        of tunnel: String, _ body: @escaping @Sendable (GatewayCore, EventLoopPromise<Result>) -> Void
    ) async throws -> Result {
        let running = try running()
        guard let known = configuration.tunnels.first(where: { $0.name == tunnel }) else {
            throw GatewayError.unknownTunnel(tunnel)
        }
        let loop = running[plan.loop(ofOrigin: known)]
        return try await loop.gate.submit(closed: GatewayError.notRunning) { body(loop.core.value, $0) }
    }

    /// Takes the connections of a tunnel of which this gateway is the destination and which has no target address.
    ///
    /// May be called before `run`, so that no connection is missed. `accept` is called on the event loop: start a task in
    /// it and return. Takes the place of what was given to this method or to `serveChannels` before. Stays when the group takes the
    /// tunnel away and brings it back. What a tunnel with a target address brings goes there.
    ///
    /// - Throws: `GatewayError.unknownTunnel`; not before `run` in a group, whose tunnels are not known yet.
    public func serve(_ tunnel: String, accept: @escaping @Sendable (TunnelStream) -> Void) async throws {
        try await self.accept(tunnel, .streams(accept))
    }

    /// Takes the connections of a tunnel in this way from now on.
    func accept(_ tunnel: String, _ acceptor: StreamAcceptor) async throws {
        let isRunning = (try? running()) != nil
        let isKnown = configuration.tunnels.contains { candidate in
            candidate.name == tunnel && candidate.destinations.contains { $0.gateway == configuration.name }
        }
        // What the group has for this gateway is known when that runs.
        guard isKnown || group != nil && !isRunning else { throw GatewayError.unknownTunnel(tunnel) }
        acceptors.withLockedValue { $0[tunnel] = acceptor }
        if isRunning { _ = try await onEachLoop { $0.acceptors[tunnel] = acceptor } }
    }

    // MARK: The group

    /// The same for what is signed: once this gateway has heard what the others know.
    func onReadyGroup<Result: Sendable>(
        _ body: @escaping @Sendable (GroupAgent) throws -> EventLoopFuture<Result>
    ) async throws -> Result {
        try await onGroup { agent in
            let bound = NIOLoopBound(agent, eventLoop: agent.core.eventLoop)
            return agent.whenReady().flatMap {
                do { return try body(bound.value) } catch {
                    return bound.value.core.eventLoop.makeFailedFuture(error)
                }
            }
        }
    }

    /// Runs `body` with the gateway's part in its group, and waits for what it returns.
    func onGroup<Result: Sendable>(
        _ body: @escaping @Sendable (GroupAgent) throws -> EventLoopFuture<Result>
    ) async throws -> Result {
        guard group != nil else {
            throw GroupError(
                .noGroup, "this gateway runs from a configuration file and is in no group",
                "make one with dxgateway init, or join one")
        }
        let loop = try running()[0]
        return try await loop.gate.submit(closed: GatewayError.notRunning) { promise in
            guard let agent = loop.core.value.group else { return promise.fail(GatewayError.notRunning) }
            do { try body(agent).cascade(to: promise) } catch { promise.fail(error) }
        }
    }
}
