import DXMatch
import DXSecure
import DXWire
import Logging

/// Introductions: those that this gateway asks for and those that it hears of (`docs/matchmaking.md` §4.2).
extension MatchAgent {
    /// A search that nobody asked for any more is forgotten.
    private static let searchTime = Interval.seconds(120)
    /// Between the first and the second probe timeout is less, on paths of any length where this matters.
    private static let doubtTime = Interval.seconds(1)
    /// On a path that loses much a packet is lost at the end of something every second; a refresh has 83 bytes.
    private static let doubtPause = Interval.seconds(5)
    /// What a refresh takes beside its round trip.
    private static let checkTime = Interval.milliseconds(20)

    /// A peer is wanted, and not connected. What is under way goes on.
    func introduce(_ peer: GatewayID) {
        // Without a matchmaker there is nobody to ask.
        guard !links.isEmpty else { return }
        let now = host.currentTime()
        searches[peer] = searches[peer] ?? PeerSearch(nextAt: now, wantedAt: now)
        searches[peer]?.wantedAt = now
        searches[peer]?.isForwarded = false
        search(now: now)
        pump(now: now)
    }

    /// The channel to a peer fell silent: a way must have changed. Perhaps our own NAT has forgotten us, which the matchmakers are
    /// asked first: an introduction with the old address would be of no use.
    func suspect(_ peer: GatewayID) {
        let now = host.currentTime()
        let roundTrip = links.compactMap { $0.client.status.roundTrip }.min() ?? .zero
        // Seen elsewhere since the first doubt: the peer can be told already. Otherwise it may be the one that is, and takes as long
        // to be registered anew: told before, it would be called where it was.
        let hasMoved = movedAt >= doubtedAt && now - doubtedAt < Self.doubtTime
        let nextAt = hasMoved ? now : now + roundTrip * 3 / 2 + Self.checkTime
        searches[peer] = PeerSearch(nextAt: nextAt, isUrgent: true, wantedAt: now)
        for link in links { link.client.checkBinding(now: now) }
        pump(now: now)
    }

    /// A channel did not answer once: mostly a packet was lost. Whether our own NAT has forgotten us is asked already, so that it is
    /// known when the channel is silent a second time.
    func doubt() {
        let now = host.currentTime()
        guard !links.isEmpty, doubtedAt + Self.doubtPause <= now else { return }
        doubtedAt = now
        for link in links where link.purpose.isOfGroup { link.client.checkBinding(now: now) }
        pump(now: now)
    }

    /// A peer is connected, and heard.
    func reached(_ peer: GatewayID) { searches[peer] = nil }

    /// A peer is reached through another member: a direct way is looked for from time to time.
    func reachedThroughMember(_ peer: GatewayID) {
        guard searches[peer] != nil || !links.isEmpty else { return }
        let now = host.currentTime()
        var search = searches[peer] ?? PeerSearch(nextAt: now + .seconds(10), wantedAt: now)
        search.isForwarded = true
        search.isUrgent = false
        searches[peer] = search
    }

    /// Whether theory knows no direct way to a peer, or an introduction has found none.
    func isHopeless(_ peer: GatewayID) -> Bool {
        guard let run = punches.runs[peer], run.punch.list.selected == nil else { return false }
        if case .impossible = run.punch.verdict { return true }
        return run.failure != nil
    }

    /// Why a peer was not reached, as far as it is known.
    func failure(of peer: GatewayID) -> String? {
        let isBlocked = behaviour.values.contains { $0.transport == .blocked }
        if isBlocked, !behaviour.values.contains(where: { $0.transport == .works }) {
            let reason = NATVerdict.Reason.noUDP(isOurs: true)
            return "\(reason): \(NATVerdict.Remedy.allowUDP(isOurs: true))"
        }
        return searches[peer]?.failure
    }

    /// An introduction to a peer found nothing.
    func note(failure: String, of peer: GatewayID) {
        searches[peer]?.failure = failure
        // The next guess is as good as the last one, and there are few (`docs/matchmaking.md` §8): why wait.
        if punches.runs[peer]?.failure == .notGuessed, let next = searches[peer]?.nextAt {
            let jitter = Interval.milliseconds(Int64(random.below(1_000)))
            searches[peer]?.nextAt = min(next, host.currentTime() + .seconds(1) + jitter)
        }
    }

    /// Whether an introduction under way uses this socket.
    func isPunching(from base: Endpoint) -> Bool {
        punches.runs.values.contains { $0.isLive && $0.sockets.contains(base) }
    }

    /// Asks for those introductions that are due.
    func search(now: Instant) {
        for (peer, search) in searches where search.nextAt <= now {
            let isWanted =
                search.isForwarded || search.wantedAt + Self.searchTime >= now || isReturning(peer)
            if !host.isSearched(peer) || !isWanted {
                searches[peer] = nil
                continue
            }
            ask(for: peer, now: now)
        }
    }

    /// Asks the nearest matchmaker that lists the peer; where none does, it is asked for when one will.
    private func ask(for peer: GatewayID, now: Instant) {
        let able = links.filter { $0.isRegistered && $0.listings[peer] != nil }
        let nearest = able.min { left, right in
            (left.client.status.roundTrip ?? .seconds(10)) < (right.client.status.roundTrip ?? .seconds(10))
        }
        guard let link = nearest, let listing = link.listings[peer] else {
            searches[peer]?.nextAt = now + .seconds(1)
            searches[peer]?.waitsForMatchmaker = true
            if links.contains(where: \.isRegistered) {
                searches[peer]?.failure = "it is not registered with any of the group's matchmakers"
            }
            return
        }
        let nonce = random.next()
        host.logger.debug(
            "asking for an introduction",
            metadata: ["peer": "\(host.name(of: peer))", "matchmaker": "\(link.server.place)"])
        do {
            try link.client.introduce(to: listing.tag, nonce: nonce, blob: [], now: now)
            searches[peer]?.pending.insert(nonce)
            searches[peer]?.asked = PeerSearch.Asked(listing)
            searches[peer]?.waitsForMatchmaker = false
            searches[peer]?.began(now: now, jitter: .milliseconds(Int64(random.below(1_000))))
        } catch { searches[peer]?.nextAt = now + .seconds(5) }
        // What is known of it is tried meanwhile: it is mostly still right.
        if let secret = secret(with: peer) {
            beginPunch(
                with: peer, secret, under: veil(of: listing, at: link), told: (link, listing),
                reason: "asked for at \(link.server.place)", now: now)
        }
    }

    // MARK: Events

    /// Takes an event of a matchmaker's machine.
    func handle(_ event: MatchClientEvent, of link: MatchLink, now: Instant) {
        switch event {
        case .registered: onRegistered(link, now: now)
        case .observed: gather(now: now)
        case .roster(let peers, let isFirst, let isLast):
            link.take(peers.compactMap { open($0, of: link) }, isFirst: isFirst, isLast: isLast)
            if link.purpose.isOfPair { searchPair(link, now: now) }
            for (peer, search) in searches where search.pending.isEmpty {
                // It has come, or says something else: what is the same as before was tried, and is asked for in its turn.
                guard let listing = link.listings[peer], search.asked != PeerSearch.Asked(listing) else { continue }
                searches[peer]?.nextAt = min(search.nextAt, now)
            }
            search(now: now)
        case .introduced(let peer, let nonce):
            if let id = onTold(of: peer, by: link, "introduced by \(link.server.place)", now: now) {
                searches[id]?.pending.remove(nonce)
            }
        case .notice(let peer, _): onTold(of: peer, by: link, "the peer asked \(link.server.place)", now: now)
        case .introductionFailed(let tag, let nonce, let failure):
            onIntroductionFailed(tag, nonce, failure, of: link, now: now)
        case .ticketRefused:
            onTicketRefused(link, now: now)
            onProblem(event, of: link, now: now)
        case .wrongPin, .unreachable, .registrationRefused: onProblem(event, of: link, now: now)
        case .admitted(let key, lifetime: _): onAdmissionAnswer(key, of: link, refusal: nil, now: now)
        case .admissionRefused(let key, let status): onAdmissionAnswer(key, of: link, refusal: status, now: now)
        case .isLeaving: host.logger.info("a matchmaker is leaving", metadata: ["matchmaker": "\(link.server.place)"])
        // Others have tickets of their own again within a second, and are not worth a write.
        case .ticketChanged: if !link.purpose.isOfPair { host.noteTicket() }
        case .left, .measured: break
        }
    }

    private func onRegistered(_ link: MatchLink, now: Instant) {
        link.problem = nil
        let before = candidates
        gather(now: now)
        let what = link.purpose.isOfPair ? "registered under a return tag" : "registered with a matchmaker"
        host.logger.debug("\(what)", metadata: ["matchmaker": "\(link.server.place)"])
        registerPairs(now: now)
        // Whoever was told of us meanwhile was told the address before.
        let isElsewhere = before != candidates
        if isElsewhere { movedAt = now }
        for (peer, search) in searches
        where search.waitsForMatchmaker || isElsewhere && (search.isUrgent || punches.isSearching(peer)) {
            searches[peer]?.nextAt = now
        }
        search(now: now)
    }

    private func onIntroductionFailed(
        _ tag: MemberTag, _ nonce: UInt64, _ failure: MatchIntroductionFailure, of link: MatchLink, now: Instant
    ) {
        guard let (peer, found) = searches.first(where: { $0.value.pending.contains(nonce) }) else { return }
        searches[peer]?.pending.remove(nonce)
        host.logger.debug(
            "an introduction failed",
            metadata: ["matchmaker": "\(link.server.place)", "peer": "\(peer)", "reason": "\(failure)"])
        switch failure {
        case .unknownMember:
            // It has another tag by now, or is gone: the next roster says.
            link.forget(peer)
            searches[peer]?.nextAt = now + .seconds(1)
        case .noAnswer: searches[peer]?.nextAt = min(found.nextAt, now + .seconds(2))
        case .tooOften, .refused, .cancelled: break
        }
    }

    private func onProblem(_ event: MatchClientEvent, of link: MatchLink, now: Instant) {
        if case .registrationRefused(.stale) = event {
            // The clock was ahead when it registered before: two years more are above anything it can have said.
            revision += 1 &<< 36
            for link in links { register(link, now: now) }
            return
        }
        // Those that waited for it need not any more.
        registerPairs(now: now)
        guard case .failing(let problem) = link.client.state, link.problem != "\(problem)" else { return }
        link.problem = "\(problem)"
        host.logger.warning(
            "a matchmaker is of no use",
            metadata: ["matchmaker": "\(link.server.place)", "reason": "\("\(problem)".onOneLine)"])
    }

    /// A matchmaker told of another gateway: a way to it is looked for.
    @discardableResult
    private func onTold(of peer: MatchPeer, by link: MatchLink, _ reason: String, now: Instant) -> GatewayID? {
        guard let listing = open(peer, of: link) else { return nil }
        link.take(listing)
        let id = listing.content.gatewayID
        host.logger.debug(
            "introduced",
            metadata: [
                "peer": "\(host.name(of: id))", "address": "\(listing.address)", "by": "\(reason)",
                "revision": "\(listing.content.revision)",
            ])
        guard let secret = punches.secret(with: id, identity, key: listing.key) else { return nil }
        beginPunch(
            with: id, secret, under: veil(of: listing, at: link), told: (link, listing), reason: reason,
            introducer: "\(link.server.place)", now: now)
        return id
    }

    /// What a blob says; nil unless a gateway that this one may be connected with sealed and signed it.
    private func open(_ peer: MatchPeer, of link: MatchLink) -> MatchLink.Listing? {
        link.open(peer) { [unowned self] id, told in
            if let key = host.key(ofPeer: id) {
                // Under a return tag there are two.
                if case .pair(let other) = link.purpose, other != key { return nil }
                return key
            }
            // Who joins is known by nobody, and tells its key: it proves the token to be let in.
            guard link.purpose.isOfInvitations, host.takesJoiners, told?.gatewayID == id else { return nil }
            return told
        }
    }

    // MARK: Punching

    /// Has a way to a peer looked for, with what was told of it.
    func beginPunch(
        with peer: GatewayID, _ secret: PairSecret, under veil: VeilNumber? = nil,
        told: (link: MatchLink, listing: MatchLink.Listing)?, heardAt: Endpoint? = nil, reason: String,
        introducer: String? = nil, now: Instant
    ) {
        // One that is connected and heard needs no other way but a better one, which the peer may look for.
        var theirs = told?.listing.content.candidates.compactMap(PathCandidate.init) ?? []
        if let address = told?.listing.address, !theirs.contains(where: { $0.endpoint == address }) {
            theirs.append(
                PathCandidate(
                    kind: .serverReflexive, endpoint: address,
                    priority: CandidatePriority.of(.serverReflexive, localPreference: 0)))
        }
        host.logger.debug(
            "a way to a gateway is looked for",
            metadata: [
                "peer": "\(peer)", "reason": "\(reason)",
                "address": "\(told.map { "\($0.listing.address)" } ?? "unknown")",
            ])
        let situation = HolePunch.Situation(
            ours: reachability, theirs: told?.listing.content.reachability ?? Reachability(),
            ourObserved: told?.link.observed?.endpoint, theirObserved: told?.listing.address)
        punches.begin(
            with: peer, secret, under: veil, situation: situation,
            filter: filter(towards: told?.listing.address ?? heardAt),
            ours: candidates, theirs: theirs, isComplete: told != nil, reason: reason, introducer: introducer, now: now)
    }

    /// What is never sent to. Another gateway on this host is one that a matchmaker sees at an address of this host.
    func filter(towards observed: Endpoint?) -> CandidateFilter {
        let own = hostEndpoints
        return CandidateFilter(
            ownEndpoints: own, ownNetworks: LocalAddresses.networks(),
            allowsThisHost: observed.map { address in
                address.isLoopback || own.contains { $0.hasSameAddress(as: address) }
            } ?? false)
    }
}
