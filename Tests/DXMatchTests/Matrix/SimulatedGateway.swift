import DXMatch
import DXSimulator
import DXWire

/// A gateway as far as matchmaking goes: finds out about its NATs, gathers candidates, runs an introduction.
final class SimulatedGateway: InternetHost {
    typealias Message = SimulatedMessage

    let id: GatewayID
    /// Its addresses with the port of the channel.
    let own: [Endpoint]
    /// A port that the router mapped by request.
    var mapped: Endpoint?
    /// What it found out.
    private(set) var reachability = Reachability()
    /// The outside endpoints of the channel's socket, and of a fresh one, by family.
    private(set) var observed: [Endpoint] = []
    private(set) var fresh: Endpoint?
    private(set) var punch: HolePunch?
    private(set) var peer: GatewayID?
    private(set) var introducedAt: Instant?
    private(set) var firstValidAt: Instant?
    private(set) var used: [(base: Endpoint, remote: Endpoint)] = []
    private(set) var failure: HolePunch.Failure?
    private(set) var isFinished = false
    private(set) var checkCount = 0
    var budget = HolePunch.Budget()

    private var probes: [(socket: Endpoint, probe: NATProbe)] = []
    private var random: RandomSource
    private var outbox: [(source: Endpoint, destination: Endpoint, message: SimulatedMessage)] = []
    private var nextSocket: UInt16 = 20_000
    private var machinesDueAt: Instant?

    static let port: UInt16 = 7700

    init(id: GatewayID, addresses: [Endpoint], random: RandomSource) {
        self.id = id
        own = addresses.map { $0.withPort(Self.port) }
        self.random = random
    }

    // MARK: What the scenario tells it

    /// Each time from a new socket: what an old one has sent to is let in, and looks like a wider filter.
    func probe(_ matchmakers: [SimulatedMatchmaker], now: Instant) {
        probes = [Endpoint.Family.v4, .v6].compactMap { family in
            guard let base = own.first(where: { $0.family == family }) else { return nil }
            let socket = newSocket(base)
            let mine = own.filter { $0.family == family }.map { $0.withPort(socket.port) }
            var probe = NATProbe(own: mine, servers: matchmakers.map { $0.server(family) }, now: now)
            probe.otherThings(work: true)
            return (socket, probe)
        }
        noteDue()
    }

    var hasProbed: Bool { !probes.isEmpty && probes.allSatisfy { $0.probe.result != nil } }

    /// Takes up what the probes found, and asks where the channel's socket is seen, and a new one, for ports that follow one
    /// another.
    func takeResults(asking matchmaker: SimulatedMatchmaker) {
        for (socket, probe) in probes {
            if socket.family == .v4 { reachability.v4 = probe.result } else { reachability.v6 = probe.result }
        }
        reachability.hasMappedPort = mapped != nil
        (observed, fresh) = ([], nil)
        observe(matchmaker)
    }

    /// Asks where the sockets are seen, until it is told.
    func observe(_ matchmaker: SimulatedMatchmaker) {
        for base in own where base.family == .v4 {
            if observed.isEmpty {
                outbox.append((base, matchmaker.server(.v4).primary, .request(number: -2, change: .none)))
            }
            if fresh == nil {
                outbox.append((newSocket(base), matchmaker.server(.v4).primary, .request(number: -1, change: .none)))
            }
        }
    }

    /// Whether nothing more will be heard: it was seen, or has no way to be.
    var isObserved: Bool {
        reachability.v4?.transport != .works || (!observed.isEmpty && fresh != nil)
    }

    /// What its blob says.
    var candidates: [PathCandidate] {
        let preferences = CandidatePriority.localPreferences(of: own)
        var list = zip(own, preferences).map { endpoint, preference in
            PathCandidate(
                kind: .host, endpoint: endpoint, base: endpoint,
                priority: CandidatePriority.of(.host, localPreference: preference))
        }
        func add(_ kind: PathCandidate.Kind, _ endpoint: Endpoint) {
            guard let index = own.firstIndex(where: { $0.family == endpoint.family }), endpoint != own[index] else {
                return
            }
            let priority = CandidatePriority.of(kind, localPreference: preferences[index])
            list.append(PathCandidate(kind: kind, endpoint: endpoint, base: own[index], priority: priority))
        }
        for endpoint in observed { add(.serverReflexive, endpoint) }
        if let mapped { add(.portMapped, mapped) }
        return list
    }

    /// Where a matchmaker saw it last: by a fresh socket where ports follow one another, else by the channel's.
    var lastObserved: Endpoint? {
        let seen = observed.first { $0.family == .v4 }
        if case .sequential? = reachability.v4?.ports, let fresh { return fresh }
        return seen
    }

    func introduce(
        to peer: GatewayID, theirs: Reachability, theirObserved: Endpoint?, candidates theirCandidates: [PathCandidate],
        now: Instant
    ) {
        let situation = HolePunch.Situation(
            ours: reachability, theirs: theirs, ourObserved: lastObserved, theirObserved: theirObserved)
        let filter = CandidateFilter(
            ownEndpoints: own, ownNetworks: own.map { AddressPrefix(around: $0, bitCount: $0.family == .v4 ? 24 : 64) })
        self.peer = peer
        (introducedAt, firstValidAt, failure, isFinished, used) = (now, nil, nil, false, [])
        punch = HolePunch(
            local: id, remote: peer, situation: situation, filter: filter, random: RandomSource(seed: random.next()),
            now: now)
        punch?.addLocal(candidates, now: now)
        punch?.addRemote(
            theirCandidates.map { PathCandidate(kind: $0.kind, endpoint: $0.endpoint, priority: $0.priority) }, now: now
        )
        punch?.candidatesAreComplete(now: now)
        drain(now: now)
    }

    private func newSocket(_ base: Endpoint) -> Endpoint {
        nextSocket += 1
        return base.withPort(nextSocket)
    }

    // MARK: InternetHost

    var nextDueAt: Instant? { outbox.isEmpty ? machinesDueAt : .zero }

    /// Asked of the machines when something has changed, not at each step of the simulation.
    private func noteDue() {
        machinesDueAt = punch?.nextTimeout
        for (_, probe) in probes {
            if let other = probe.nextTimeout, other < machinesDueAt ?? .distantFuture { machinesDueAt = other }
        }
    }

    func receive(_ message: SimulatedMessage, from source: Endpoint, at destination: Endpoint, now: Instant) {
        switch message {
        case .request(let number, _), .answer(let number, _):
            if number < 0 {
                guard case .answer(_, let seen) = message else { return }
                if number == -1 { fresh = seen } else if observed.isEmpty { observed = [seen] }
                return
            }
            var seen = source
            if case .answer(_, let observed) = message { seen = observed }
            for index in probes.indices where probes[index].socket == destination {
                probes[index].probe.receive(answerTo: number, observed: seen, now: now)
            }
            drain(now: now)
        case .check(let check, let sender, let receiver):
            guard receiver == id, sender == peer else { return }
            punch?.receive(check, from: source, on: destination, now: now)
            drain(now: now)
        case .checked(let checked, let sender, let receiver):
            guard receiver == id, sender == peer else { return }
            punch?.receive(checked, from: source, on: destination, now: now)
            drain(now: now)
        }
    }

    func run(now: Instant) {
        for index in probes.indices { probes[index].probe.timeoutFired(now: now) }
        punch?.timeoutFired(now: now)
        drain(now: now)
    }

    func takeOutbox() -> [(source: Endpoint, destination: Endpoint, message: SimulatedMessage)] {
        defer { outbox = [] }
        return outbox
    }

    private func drain(now: Instant) {
        defer { noteDue() }
        for (index, entry) in probes.enumerated() {
            while let request = probes[index].probe.pollTransmit(now: now) {
                outbox.append(
                    (entry.socket, request.destination, .request(number: request.number, change: request.change)))
            }
        }
        guard let peer else { return }
        while let transmit = punch?.pollTransmit(budget: &budget, now: now) {
            switch transmit.message {
            case .check(let check):
                checkCount += 1
                outbox.append((transmit.base, transmit.destination, .check(check, from: id, to: peer)))
            case .checked(let checked):
                outbox.append((transmit.base, transmit.destination, .checked(checked, from: id, to: peer)))
            }
        }
        takeEvents(now: now)
    }

    private func takeEvents(now: Instant) {
        if firstValidAt == nil, punch?.list.pairs.contains(where: { $0.state == .valid }) == true { firstValidAt = now }
        while let event = punch?.pollEvent() {
            switch event {
            case .openSockets(let count):
                guard let base = own.first(where: { $0.family == .v4 }) else { continue }
                punch?.opened(sockets: (0..<count).map { _ in newSocket(base) })
            case .use(let base, let remote): used.append((base, remote))
            case .finished: isFinished = true
            case .failed(let reason): failure = reason
            }
        }
    }
}
