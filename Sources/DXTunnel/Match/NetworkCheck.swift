import DXMatch
import DXSecure
import DXSocket
import DXWire
import NIOCore

/// Looks at the network for `netcheck`, from sockets of its own: each matchmaker and STUN server, the NAT's behaviour in both IP
/// versions, and what the routers say when they are asked for a port, all at once. Takes about four seconds; ten where
/// something does not answer. Bound to an event loop.
final class NetworkCheck {
    /// Whom to ask.
    struct Server {
        var address: HostAddress
        /// Nil: it is asked for STUN only.
        var matchmaker: MatchmakerAddress?
        /// Of this gateway's own matchmaker: where it is found from here. It sees nothing from outside.
        var own: [Endpoint]?

        /// As it is configured, without a pin.
        var place: String { matchmaker?.place ?? address.description }
        /// The pin of a matchmaker.
        var pin: GatewayID? { matchmaker?.pin }

        /// A matchmaker.
        init(_ matchmaker: MatchmakerAddress, own: [Endpoint]? = nil) {
            address = matchmaker.address
            self.matchmaker = matchmaker
            self.own = own
        }

        /// A server that is asked for STUN only.
        init(stun: HostAddress) { address = stun }

        func lookUp(at gate: LoopGate) -> EventLoopFuture<[Endpoint]> {
            if let own { return gate.eventLoop.makeSucceededFuture(own) }
            guard let matchmaker else { return NameResolver.resolve(address, at: gate) }
            return NameResolver.resolve(matchmaker, at: gate)
        }
    }

    private let gate: LoopGate
    private var eventLoop: any EventLoop { gate.eventLoop }
    private var random: RandomSource
    private let servers: [Server]
    private let complete: (NetworkReport) -> Void
    private var report = NetworkReport(time: .now())
    private let startedAt = MonotonicClock.now()
    private var statuses: [MatchmakerStatus?]
    private var findings: [Endpoint.Family: NATDiscovery.Finding] = [:]
    private var hasMappedPort = false
    private var probes: [MatchProbe] = []
    private var discoveries: [NATDiscovery] = []
    private var mapping: PortMapDriver?
    private var mappingSocket: STUNSocket?
    private var mappingStopped: EventLoopFuture<Void>?
    private var routes: [DefaultRoute] = []
    /// What goes on.
    private var pending = 1
    private var isOver = false
    private var deadline: Scheduled<Void>?

    /// What is not there by then does not answer: everything in it gives up within ten seconds by itself, after a name was looked up.
    private static let patience = TimeAmount.seconds(12)
    /// A router that speaks none of the protocols is silent for three seconds in each of them.
    private static let mappingPatience = TimeAmount.milliseconds(9_800)

    /// A check that has not begun.
    ///
    /// - Parameters:
    ///   - servers: at most 16.
    ///   - complete: called on the event loop, once.
    init(_ servers: [Server], at gate: LoopGate, complete: @escaping (NetworkReport) -> Void) {
        self.gate = gate
        self.servers = Array(servers.prefix(16))
        self.complete = complete
        random = RandomSource(seed: SecureRandom.next())
        statuses = self.servers.map { MatchmakerStatus(server: $0.place, pin: $0.pin?.text) }
    }

    /// Begins.
    func start() {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        deadline = eventLoop.scheduleTask(in: Self.patience) { bound.value.stop() }
        let lookUps = servers.map { $0.lookUp(at: gate) }
        EventLoopFuture.whenAllComplete(lookUps, on: eventLoop).whenSuccess { bound.value.resolved($0) }
        askRouters()
    }

    private func resolved(_ results: [Result<[Endpoint], any Error>]) {
        guard !isOver else { return }
        var outside: [NATProbe.Server] = []
        for (number, result) in results.enumerated() {
            switch result {
            case .success(let found): probe(number, at: found)
            case .failure(let error): fail(number, "\(error)")
            }
            guard servers[number].own == nil else { continue }
            for endpoint in (try? result.get()) ?? [] where !outside.contains(where: { $0.primary == endpoint }) {
                outside.append(NATProbe.Server(primary: endpoint, pin: servers[number].pin))
            }
        }
        for family in Self.families where outside.contains(where: { $0.primary.family == family }) && Self.has(family) {
            pending += 1
            let discovery = NATDiscovery(
                family, servers: outside, on: eventLoop, random: RandomSource(seed: random.next())
            ) { [weak self] finding in
                self?.findings[family] = finding
                self?.finishOne()
            }
            discoveries.append(discovery)
            discovery.start()
        }
        finishOne()
    }

    private static let families: [Endpoint.Family] = [.v4, .v6]

    // MARK: Matchmakers

    private func probe(_ number: Int, at found: [Endpoint]) {
        let usable = found.filter { $0.isSendable && Self.has($0.family) }
        guard !usable.isEmpty else {
            return fail(number, "this host has no address of a kind that it could be reached from")
        }
        pending += 1
        let server = servers[number]
        let probe = MatchProbe(
            server.place, pin: server.pin, addresses: usable, on: eventLoop,
            random: RandomSource(seed: random.next()))
        probes.append(probe)
        probe.start { [weak self] status in
            var status = status
            if server.own == nil { status.addresses = Self.told(server.address, found) }
            self?.statuses[number] = status
            self?.finishOne()
        }
    }

    /// What a name led to; nil for an address, which says it itself.
    static func told(_ address: HostAddress, _ found: [Endpoint]) -> [String]? {
        address.endpoint == nil && !found.isEmpty ? found.map(\.description) : nil
    }

    private func fail(_ number: Int, _ problem: String) {
        statuses[number]?.state = .failing
        statuses[number]?.problem = problem
    }

    /// Whether this host has addresses of a family: of IPv6 one that leads further than its own network.
    private static func has(_ family: Endpoint.Family) -> Bool {
        addresses(family).contains { family == .v4 || AddressScope($0) == .global || $0.isLoopback }
    }

    private static func addresses(_ family: Endpoint.Family) -> [Endpoint] {
        let any = family == .v4 ? Endpoint(v4: 0, port: 0) : Endpoint(v6High: 0, low: 0, port: 0)
        return LocalAddresses.reachable([any])
    }

    // MARK: Routers

    private func askRouters() {
        routes = DefaultRoute.current()
        guard !routes.isEmpty,
            // A port that nothing is lost by: nobody hears at it when it is closed.
            let socket = STUNSocket(.v4, on: eventLoop, random: RandomSource(seed: random.next()), onAnswer: { _ in })
        else { return }
        pending += 1
        mappingSocket = socket
        let driver = PortMapDriver(
            on: eventLoop, nonce: PCPNonce(high: random.next(), low: UInt32(truncatingIfNeeded: random.next())))
        mapping = driver
        var waiting = Set(routes.map(\.router.family))
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        let timeout = eventLoop.scheduleTask(in: Self.mappingPatience) { bound.value.endMapping() }
        driver.start(internalPorts: [socket.port]) { event, family in
            guard waiting.remove(family) != nil else { return }
            bound.value.note(event, family)
            guard waiting.isEmpty else { return }
            timeout.cancel()
            bound.value.endMapping()
        }
    }

    private func note(_ event: PortMapDriver.Event, _ family: Endpoint.Family) {
        guard let router = routes.first(where: { $0.router.family == family })?.router else { return }
        var result = NetworkReport.PortMapping(
            ipVersion: family.version, router: router.addressText, via: nil, outside: nil, isBehindAnotherNAT: false,
            reasons: nil)
        switch event {
        case .mapped(let mapping), .mappedBehindNAT(let mapping), .renewed(let mapping):
            result.via = "\(mapping.via)"
            result.outside = mapping.external.description
            result.isBehindAnotherNAT = mapping.isBehindAnotherNAT
            hasMappedPort = hasMappedPort || !mapping.isBehindAnotherNAT
        case .lost(_, let failure): result.reasons = "\(failure)"
        case .unavailable(let reasons): result.reasons = "\(reasons)"
        }
        report.portMappings.append(result)
    }

    private func endMapping() {
        guard let driver = mapping else { return }
        mapping = nil
        for route in routes where !report.portMappings.contains(where: { $0.ipVersion == route.router.family.version })
        {
            report.portMappings.append(
                NetworkReport.PortMapping(
                    ipVersion: route.router.family.version, router: route.router.addressText, via: nil, outside: nil,
                    isBehindAnotherNAT: false, reasons: "no answer"))
        }
        // What it gave is taken back, before a program ends that waits for this.
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        let stopped = driver.stop()
        mappingStopped = stopped
        stopped.whenComplete { _ in
            bound.value.mappingSocket?.close()
            bound.value.mappingSocket = nil
            bound.value.finishOne()
        }
    }

    // MARK: The end

    private func finishOne() {
        pending -= 1
        if pending == 0 { stop() }
    }

    /// Ends the check with what it has found; complete when the sockets are closed and routers have taken their ports back.
    @discardableResult
    func stop() -> EventLoopFuture<Void> {
        let nothing = eventLoop.makeSucceededVoidFuture()
        guard !isOver else { return mappingStopped ?? nothing }
        isOver = true
        deadline?.cancel()
        for probe in probes { probe.stop() }
        for discovery in discoveries { discovery.stop() }
        endMapping()
        report.matchmakers = statuses.compactMap { status in
            guard var status, status.state == .connecting else { return status }
            (status.state, status.problem) = (.failing, "no answer")
            return status
        }
        report.families = Self.families.map { family in
            let addresses = Self.addresses(family).filter { !$0.isLoopback }
            return NetworkReport.Family(
                ipVersion: family.version, addresses: addresses.map(\.addressText),
                nat: findings[family].map { NATReport($0.behaviour) },
                outside: findings[family]?.observed.map(\.description) ?? [])
        }
        report.portMappings.sort { $0.ipVersion < $1.ipVersion }
        report.outlook = NetworkReport.Outlook(NATOutlook(reachability))
        report.tookMilliseconds = Int((MonotonicClock.now() - startedAt).milliseconds)
        complete(report)
        return mappingStopped ?? nothing
    }

    /// What is known of our ways.
    private var reachability: Reachability {
        func known(_ family: Endpoint.Family) -> NATBehaviour? {
            findings[family].flatMap { $0.behaviour.transport == .unknown ? nil : $0.behaviour }
        }
        return Reachability(v4: known(.v4), v6: known(.v6), hasMappedPort: hasMappedPort)
    }
}

@available(*, unavailable)
extension NetworkCheck: Sendable {}

extension Endpoint.Family {
    /// 4 or 6.
    var version: Int { Int(rawValue) }
}
