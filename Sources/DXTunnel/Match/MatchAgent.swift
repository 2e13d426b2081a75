import DXMatch
import DXSecure
import DXSocket
import DXWire
import Logging
import NIOCore

/// A gateway's part in finding ways to others (`docs/matchmaking.md`): registers with all matchmakers of its group, finds out what
/// its NAT does, asks for introductions, hears of those by others, and has `PunchDriver` try what came of them. Bound to the
/// gateway's event loop.
///
/// What a matchmaker says is a hint and nothing more: blobs count when a current member signed them, and what they name is tried
/// within the budgets of checks.
final class MatchAgent {
    unowned let host: any MatchHost
    let identity: Identity
    let punches: PunchDriver
    var random: RandomSource
    var plan = MatchPlan()
    /// One for each matchmaker and tag.
    var links: [MatchLink] = []
    /// Peers that are wanted and not reached.
    var searches: [GatewayID: PeerSearch] = [:]
    /// What the NAT before this gateway does; unknown until it was found out.
    var behaviour: [Endpoint.Family: NATBehaviour] = [:]
    var discoveries: [Endpoint.Family: NATDiscovery] = [:]
    /// When matchmakers were last asked whether our NAT has forgotten us, because a channel did not answer once.
    var doubtedAt = Instant.zero - .seconds(3_600)
    /// When a matchmaker last saw us elsewhere than before.
    var movedAt = Instant.zero - .seconds(7_200)
    /// The pins that servers say they have.
    var saidPins: [Endpoint: GatewayID] = [:]
    /// How long it remembers a binding, as far as that was measured, and the measurements that go on.
    var bindings: [Endpoint.Family: BindingLifetime] = [:]
    var measurements: [Endpoint.Family: BindingMeasurement] = [:]
    /// What was measured in networks before.
    var networks = NetworkMemory()
    /// When the NAT is looked at again.
    var discoversAt: Instant = .distantFuture
    /// Asks the router for a port; nil where that is switched off, and before there is a matchmaker.
    var portMap: PortMapDriver?
    /// The candidates that are registered.
    var candidates: [PathCandidate] = []
    /// That of the registrations; rises with each change.
    var revision: UInt64
    private var isStopped = false
    private var isPumping = false
    /// When candidates are gathered anew.
    private var gathersAt: Instant = .zero
    /// The addresses of the host at the last look; nil before the first.
    var gatheredHosts: [Endpoint]?

    /// Interfaces come and go: looked at so often, which costs one system call.
    private static let gatherInterval = Interval.seconds(5)
    /// An epoch that is over: those who have not heard of the next one yet find us there.
    private static let lastEpochTime = Interval.seconds(600)
    /// A LEAVE is repeated so long.
    private static let leaveTime = Interval.seconds(3)

    /// The part of a gateway whose sockets are open.
    init(_ host: any MatchHost, identity: Identity) {
        self.host = host
        self.identity = identity
        random = RandomSource(seed: host.chance())
        punches = PunchDriver(host, random: RandomSource(seed: host.chance()))
        // Above what was registered before a restart, as far as the clock is right; a matchmaker that holds a higher one says so.
        revision = UInt64(max(1, Timestamp.now().unixMilliseconds))
    }

    // MARK: The group's wish

    /// Does what the group wants from now on.
    func follow(_ plan: MatchPlan, now: Instant) {
        guard !isStopped else { return }
        self.plan = plan
        let wanted = wantedRegistrations
        for link in links where !wanted.contains(where: { $0.isServed(by: link) }) {
            retire(link, now: now)
        }
        for registration in wanted where !links.contains(where: { registration.isServed(by: $0) && $0.isWanted }) {
            addLink(registration, now: now)
        }
        admitGuests(now: now)
        // Who waited for those that are gone.
        registerPairs(now: now)
        pump(now: now)
    }

    private func addLink(_ wanted: WantedRegistration, now: Instant) {
        do throws(SecureError) {
            guard let place = try wanted.place(self) else { return }
            let isKept = !wanted.purpose.isOfPair
            links.append(
                try MatchLink(
                    wanted.server, purpose: wanted.purpose, matchKey: place.matchKey, groupTag: place.groupTag,
                    blobSecret: place.blobSecret, identity: identity, keepalive: keepalive(wanted.purpose),
                    kept: isKept ? host.takeTicket(of: wanted.server.pin, place.matchKey.publicKey) : nil,
                    seed: random.next(), now: now))
        } catch {
            host.logger.error(
                "a matchmaker cannot be used", metadata: ["matchmaker": "\(wanted.server)", "error": "\(error)"])
        }
    }

    /// A registration is not wanted any more. That of an epoch that is over stays for those who have not heard of the next one.
    private func retire(_ link: MatchLink, now: Instant) {
        guard link.isWanted else { return }
        let isOver = !plan.servers.contains(link.server) || plan.key == nil || !link.purpose.isOfGroup
        link.endsAt = now + (isOver ? Self.leaveTime : Self.lastEpochTime)
        if isOver { link.client.stop(now: now) }
    }

    /// What is wrong with the matchmakers, when none is of use.
    var problem: String? {
        links.contains { $0.isRegistered } ? nil : links.lazy.compactMap(\.problem).first
    }

    /// Ends everything; what is registered is taken back.
    func stop() {
        guard !isStopped else { return }
        let now = host.currentTime()
        for link in links { link.client.stop(now: now) }
        pump(now: now)
        end { $0.stop() }
    }

    /// Ends everything here, and nothing elsewhere: another start goes on with what is registered and with the router's mapping.
    func leave() {
        guard !isStopped else { return }
        end { $0.close() }
    }

    private func end(_ endPortMap: (PortMapDriver) -> Void) {
        isStopped = true
        if let portMap { endPortMap(portMap) }
        portMap = nil
        for discovery in discoveries.values { discovery.stop() }
        discoveries.removeAll()
        stopMeasuring()
        links.removeAll()
    }

    /// A member is none any more: nothing is sent to it.
    func forget(_ peer: GatewayID) {
        searches[peer] = nil
        punches.forget(peer)
        for link in links { link.forget(peer) }
    }

    // MARK: Datagrams

    /// Takes a datagram that no session claimed; whether it was a matchmaker's.
    func receive(_ datagram: RawSpan, from source: Endpoint, at local: Endpoint?, now: Instant) -> Bool {
        let base = local ?? host.boundEndpoints.first { $0.family == source.family } ?? source
        for link in links {
            let before = link.purpose.isOfGroup ? link.client.status.statistics.registrations : .max
            guard link.client.receive(datagram, from: source, on: base, now: now) else { continue }
            if link.client.status.statistics.registrations > before { checkPairs(at: link.server, now: now) }
            pump(now: now)
            return true
        }
        return false
    }

    /// Takes a check, or the answer to one.
    func receive(_ check: VeiledCheck, from source: Endpoint, at local: Endpoint, now: Instant) {
        punches.receive(check, from: source, at: local, now: now) { [unowned self] sender in
            secret(with: sender)
        } beginRun: { [unowned self] sender, secret in
            // Its notice was lost, or has not come yet. What is known without it is enough for an answer.
            if links.isEmpty { gather(now: now) }
            beginPunch(
                with: sender, secret, told: nil, heardAt: source, reason: "a check of the peer's", now: now)
        }
    }

    /// The key of checks with a gateway that this one knows.
    func secret(with peer: GatewayID) -> PairSecret? {
        host.key(ofPeer: peer).flatMap { punches.secret(with: peer, identity, key: $0) }
    }

    // MARK: Time

    /// Does what is due, and has the gateway's timer armed for what will be.
    func wakeupFired(now: Instant) {
        guard !isStopped else { return }
        for link in links where link.client.nextTimeout.map({ $0 <= now }) ?? false {
            link.client.timeoutFired(now: now)
        }
        punches.timeoutFired(now: now)
        endLinks(now: now)
        if gathersAt <= now, !links.isEmpty {
            gathersAt = now + Self.gatherInterval
            gather(now: now)
        }
        if discoversAt <= now { discover(now: now) }
        mapPorts()
        search(now: now)
        pump(now: now)
    }

    private func endLinks(now: Instant) {
        links.removeAll { link in
            if link.endsAt <= now + Self.leaveTime { link.client.stop(now: now) }
            return link.endsAt <= now
        }
    }

    private func noteDeadlines() {
        var next = min(links.isEmpty ? .distantFuture : gathersAt, discoversAt, punches.nextTimeout ?? .distantFuture)
        for link in links {
            next = min(next, link.client.nextTimeout ?? .distantFuture, link.nextLookUp, link.endsAt)
        }
        for search in searches.values { next = min(next, search.nextAt) }
        host.noteDeadline(next)
    }

    /// Sends what links have to send and takes their events.
    func pump(now: Instant) {
        guard !isPumping, !isStopped else { return }
        isPumping = true
        defer { isPumping = false }
        var isBusy = true
        while isBusy {
            isBusy = false
            for link in links {
                resolve(link, now: now)
                // Those of a pair or of invitations are of two.
                if link.purpose.isOfGroup { link.client.needsRoster(!searches.isEmpty, now: now) }
                while let transmit = link.client.pollTransmit(now: now) {
                    host.send(unsafe transmit.datagram.span.bytes, to: transmit.destination, from: nil)
                }
                while let event = link.client.pollEvent() {
                    isBusy = true
                    handle(event, of: link, now: now)
                }
            }
        }
        noteDeadlines()
    }

    private func resolve(_ link: MatchLink, now: Instant) {
        let own = link.server.pin == host.ownMatchmaker?.pin ? host.ownMatchmaker?.endpoints : nil
        link.resolveIfDue(at: host.gate, own: own, now: now) { [weak self] link in
            guard let self, !isStopped else { return }
            let now = host.currentTime()
            link.client.setAddresses(link.addresses.filter { host.canSend(to: $0.family) }, now: now)
            if candidates.isEmpty { gather(now: now) }
            register(link, now: now)
            if discoversAt == .distantFuture, discoveries.isEmpty { discover(now: now) }
            pump(now: now)
        }
    }
}

@available(*, unavailable)
extension MatchAgent: Sendable {}
