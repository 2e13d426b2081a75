import DXMatch
import DXSecure
import DXSocket
import DXWire
import Logging

/// What this gateway tells of itself: where it may be reached, and what its NAT does.
extension MatchAgent {
    /// The addresses of this gateway's own sockets.
    var hostEndpoints: [Endpoint] { LocalAddresses.reachable(host.boundEndpoints) }

    /// Gathers candidates; where they are others than before, all registrations change.
    func gather(now: Instant) {
        let found = currentCandidates
        guard found != candidates else { return }
        candidates = found
        revision += 1
        let (before, hosts) = (gatheredHosts, found.filter { $0.kind == .host }.map(\.endpoint))
        gatheredHosts = hosts
        // Also when there was no network in between: all that was learned was learned before.
        if let before, before != hosts { networkChanged(now: now) }
        for link in links { register(link, now: now) }
    }

    private var currentCandidates: [PathCandidate] {
        let hosts = hostEndpoints
        let preferences = CandidatePriority.localPreferences(of: hosts)
        var set = CandidateSet()
        for (endpoint, preference) in zip(hosts, preferences) {
            set.insert(
                PathCandidate(
                    kind: .host, endpoint: endpoint, base: endpoint,
                    priority: CandidatePriority.of(.host, localPreference: preference)))
        }
        for mapping in portMappings {
            guard let index = hosts.firstIndex(where: { $0.family == mapping.external.family }) else { continue }
            set.insert(
                PathCandidate(
                    kind: .portMapped, endpoint: mapping.external, base: hosts[index],
                    priority: CandidatePriority.of(.portMapped, localPreference: preferences[index])))
        }
        for link in links {
            guard let (observed, base) = link.observed, !hosts.contains(observed) else { continue }
            let preference = hosts.firstIndex { $0.hasSameAddress(as: base) }.map { preferences[$0] } ?? 0
            set.insert(
                PathCandidate(
                    kind: .serverReflexive, endpoint: observed, base: base,
                    priority: CandidatePriority.of(.serverReflexive, localPreference: preference)))
        }
        return set.candidates
    }

    /// The host may have other addresses.
    func lookAround(now: Instant) {
        guard !links.isEmpty else { return }
        gather(now: now)
        pump(now: now)
    }

    /// Addresses of the host changed, or it was away for some time: what was learned from outside may be over.
    func networkChanged(now: Instant) {
        host.logger.debug("what is known of the network is asked anew")
        portMap?.networkChanged()
        for link in links { link.client.networkChanged(now: now) }
        behaviour = [:]
        stopMeasuring()
        applyKeepalive(now: now)
        discover(now: now)
    }

    /// Lists this gateway with a matchmaker as what it is now.
    func register(_ link: MatchLink, now: Instant) {
        guard link.isWanted, !link.addresses.isEmpty, !candidates.isEmpty, !isWaitingForAdmission(link),
            !isWaitingForOthers(link)
        else { return }
        let content = BlobContent(
            gatewayID: identity.gatewayID, revision: revision, behaviourV4: behaviour[.v4] ?? .unknown,
            behaviourV6: behaviour[.v6] ?? .unknown, candidates: candidates.map(Candidate.init))
        do {
            let blob = try link.seal(content, identity, epoch: plan.epochs.last?.number ?? 0)
            try link.client.register(
                MatchRegistration(
                    groupTag: link.groupTag, memberKey: link.memberKey, blob: blob, revision: revision),
                now: now)
        } catch {
            host.logger.error(
                "this gateway cannot be registered", metadata: ["matchmaker": "\(link.server)", "error": "\(error)"])
        }
    }

    // MARK: The NAT

    /// NAT behaviour is looked at again so often, and when addresses change: routers get new software at night.
    private static let discoverInterval = Interval.seconds(6 * 3_600)
    /// A registration is changed within that time, mostly.
    private static let registerTime = Interval.milliseconds(300)
    /// And so soon when nothing was found.
    private static let discoverRetry = Interval.seconds(60)

    /// Finds out what the NAT does, in each family that there are matchmakers of.
    func discover(now: Instant) {
        guard !links.isEmpty else { return }
        discoversAt = now + Self.discoverInterval
        let servers = links.reduce(into: [NATProbe.Server]()) { list, link in
            // Our own sees nothing from outside.
            guard link.server.pin != host.ownMatchmaker?.pin else { return }
            for address in link.addresses where !list.contains(where: { $0.primary == address }) {
                list.append(NATProbe.Server(primary: address, pin: link.server.pin))
            }
        }
        for family in [Endpoint.Family.v4, .v6] {
            discoveries[family]?.stop()
            discoveries[family] = nil
            guard servers.contains(where: { $0.primary.family == family }), host.canSend(to: family) else { continue }
            let discovery = NATDiscovery(
                family, servers: servers, on: host.eventLoop, random: RandomSource(seed: random.next())
            ) { [weak self] in self?.found($0, family) }
            discoveries[family] = discovery
            discovery.start()
        }
    }

    private func found(_ finding: NATDiscovery.Finding, _ family: Endpoint.Family) {
        discoveries[family] = nil
        let now = host.currentTime()
        saidPins = saidPins.filter { $0.key.family != family }.merging(finding.pins) { $1 }
        if finding.behaviour.transport != .works { discoversAt = min(discoversAt, now + Self.discoverRetry) }
        measureBinding(finding, family, isNews: behaviour[family] != finding.behaviour)
        guard behaviour[family] != finding.behaviour else { return pump(now: now) }
        behaviour[family] = finding.behaviour
        host.logger.info(
            "the network was looked at", metadata: ["ip": "v\(family.rawValue)", "nat": "\(finding.behaviour)"])
        revision += 1
        for link in links { register(link, now: now) }
        // Introductions that began without knowing can be judged now, and a port guessed where it must be.
        for peer in searches.keys { searches[peer]?.nextAt = now + Self.registerTime }
        search(now: now)
        pump(now: now)
    }

    /// Our ways, for theory.
    var reachability: Reachability {
        func known(_ family: Endpoint.Family) -> NATBehaviour? {
            host.canSend(to: family) && hostEndpoints.contains { $0.family == family }
                ? behaviour[family] ?? .unknown : nil
        }
        return Reachability(
            v4: known(.v4), v6: known(.v6), hasMappedPort: candidates.contains { $0.kind == .portMapped })
    }
}

extension BlobContent {
    /// The ways of whoever sent it.
    var reachability: Reachability {
        func known(_ behaviour: NATBehaviour, _ family: Endpoint.Family) -> NATBehaviour? {
            behaviour == .unknown && !candidates.contains { $0.endpoint.family == family } ? nil : behaviour
        }
        return Reachability(
            v4: known(behaviourV4, .v4), v6: known(behaviourV6, .v6),
            hasMappedPort: candidates.contains { $0.kind == .portMapped })
    }
}
