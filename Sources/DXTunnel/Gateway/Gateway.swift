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
/// All state lives on one event loop; the methods may be called from anywhere.
public final class Gateway: Service {
    private let configuration: GatewayConfiguration
    private let logger: Logger
    private let identity: Identity
    private let veils: [VeilSecret]
    private let tuning: GatewayTuning
    private let core = NIOLockedValueBox<Running?>(nil)
    private let acceptors = NIOLockedValueBox<[String: @Sendable (TunnelStream) -> Void]>([:])

    /// What there is while it runs.
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
        self.configuration = configuration
        self.logger = logger
        self.tuning = tuning
        identity = try Self.identity(configuration.identity)
        veils = try configuration.veils.map(Self.veil)
    }

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
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let gate = LoopGate(group.next())
        do {
            let bound = try await start(gate)
            core.withLockedValue { $0 = Running(core: bound, gate: gate) }
            // Those that came while it started.
            let acceptors = acceptors.withLockedValue { $0 }
            try await onLoop { try $0.serve(acceptors) }
            try? await gracefulShutdown()
            core.withLockedValue { $0 = nil }
            await stop(bound, on: gate.eventLoop)
        } catch {
            gate.close()
            try? await group.shutdownGracefully()
            throw error
        }
        gate.close()
        try await group.shutdownGracefully()
    }

    private func start(_ gate: LoopGate) async throws -> NIOLoopBound<GatewayCore> {
        let loop = gate.eventLoop
        let listen = try await listenAddress(on: loop)
        let listeners = try await listenEndpoints(on: loop)
        let (configuration, identity, veils, logger, tuning) = (configuration, identity, veils, logger, tuning)
        let acceptors = acceptors.withLockedValue { $0 }
        return try await loop.submit {
            let core = try GatewayCore(
                configuration: configuration, identity: identity, veils: veils, logger: logger, tuning: tuning,
                gate: gate)
            try core.serve(acceptors)
            do {
                try core.start(listen: listen, listeners: listeners)
            } catch {
                // What was opened before the failure is closed with the loop.
                _ = core.finish()
                throw error
            }
            return NIOLoopBound(core, eventLoop: loop)
        }.get()
    }

    /// Where the gateway's UDP sockets are bound; of a name the first address.
    private func listenAddress(on loop: any EventLoop) async throws -> ListenAddress {
        if configuration.listen.host.isEmpty { return ListenAddress(anyAt: configuration.listen.port) }
        guard let endpoint = try await NameResolver.resolve(configuration.listen, on: loop).get().first else {
            throw GatewayError.listen("UDP \(configuration.listen): the name has no address")
        }
        return ListenAddress(endpoint)
    }

    /// The addresses of this gateway's origins, looked up.
    private func listenEndpoints(
        on loop: any EventLoop
    ) async throws -> [(tunnel: String, address: HostAddress, endpoint: Endpoint)] {
        var result: [(tunnel: String, address: HostAddress, endpoint: Endpoint)] = []
        for tunnel in configuration.tunnels {
            for origin in tunnel.origins where origin.gateway == configuration.name {
                guard let address = origin.listen else { continue }
                if address.host.isEmpty {
                    // Every address of the machine: one IPv6 socket takes both versions.
                    result.append((tunnel.name, address, Endpoint(v6High: 0, low: 0, port: address.port)))
                    continue
                }
                let endpoints = try await NameResolver.resolve(address, on: loop).get()
                for endpoint in endpoints { result.append((tunnel.name, address, endpoint)) }
            }
        }
        return result
    }

    private func stop(_ bound: NIOLoopBound<GatewayCore>, on loop: any EventLoop) async {
        logger.info("gateway stopping")
        // The CLOSE goes out in the first turn; the pause lets resets reach the applications.
        try? await loop.submit { bound.value.beginStopping() }.get()
        try? await loop.scheduleTask(in: .milliseconds(50)) {}.futureResult.get()
        try? await loop.flatSubmit { bound.value.finish() }.get()
    }

    // MARK: Commands

    private func running() throws -> Running {
        guard let running = core.withLockedValue({ $0 }) else { throw GatewayError.notRunning }
        return running
    }

    /// Runs `body` with the gateway's inside, on its event loop.
    func onLoop<Result: Sendable>(_ body: @escaping @Sendable (GatewayCore) throws -> Result) async throws -> Result {
        let running = try running()
        return try await running.gate.submit(closed: GatewayError.notRunning) { promise in
            promise.completeWith(Swift.Result { try body(running.core.value) })
        }
    }

    /// A snapshot of the gateway.
    ///
    /// - Throws: `GatewayError.notRunning`.
    public func status() async throws -> GatewayStatus { try await onLoop { $0.status() } }

    /// Measures one round trip to a peer, through both gateways.
    ///
    /// - Parameters:
    ///   - peer: its configured name, or at least 8 characters of its id.
    ///   - timeout: how long to wait for the answer.
    /// - Throws: `GatewayError.notRunning`, `unknownPeer`, `notConnected`, `noAnswer`.
    public func ping(_ peer: String, timeout: Duration = .seconds(5)) async throws -> Duration {
        let running = try running()
        let loop = running.gate.eventLoop
        let interval: Interval = try await running.gate.submit(closed: GatewayError.notRunning) { promise in
            let expiry = loop.scheduleTask(in: TimeAmount(timeout)) { promise.fail(GatewayError.noAnswer(peer)) }
            promise.futureResult.whenComplete { _ in expiry.cancel() }
            running.core.value.ping(peer, promise: promise)
        }
        return .nanoseconds(interval.nanoseconds)
    }

    /// Opens a connection through a tunnel of which this gateway is an origin. Returns at once: whether the target accepts
    /// shows when the stream is read.
    ///
    /// - Throws: `GatewayError.notRunning`, `unknownTunnel`, `notConnected`, `connectionLimit`.
    public func dial(_ tunnel: String) async throws -> TunnelStream { try await onLoop { try $0.dial(tunnel) } }

    /// Takes the connections of a tunnel of which this gateway is the destination and which has no target address.
    ///
    /// May be called before `run`, so that no connection is missed. `accept` is called on the event loop: start a task in
    /// it and return.
    ///
    /// - Throws: `GatewayError.unknownTunnel`.
    public func serve(_ tunnel: String, accept: @escaping @Sendable (TunnelStream) -> Void) async throws {
        guard
            configuration.tunnels.contains(where: { candidate in
                candidate.name == tunnel && candidate.destinations.contains { $0.gateway == configuration.name }
            })
        else { throw GatewayError.unknownTunnel(tunnel) }
        acceptors.withLockedValue { $0[tunnel] = accept }
        if (try? running()) != nil { try await onLoop { try $0.serve([tunnel: accept]) } }
    }
}
