import DXMatch
import DXSecure
import DXStream
import DXWire

/// What is known of the ways to one peer, for `explain`.
extension GatewayCore {
    /// What was tried to reach a peer; nil when this event loop has none of that name, or whose id begins so.
    func explain(_ name: String) -> PeerExplanation? {
        let link = peers.first { $0.name == name } ?? peers.first { name.count >= 8 && $0.id.text.hasPrefix(name) }
        guard let link else { return nil }
        let now = currentTime()
        let calendar = Timestamp.now()
        let run = match?.punches.runs[link.id]
        let connection = connection(of: link, run, now: now, calendar: calendar)
        let outlook = PeerOutlook(facts(link, run, connection, now: now))
        let search = link.isHeard ? nil : match?.searches[link.id]
        return PeerExplanation(
            time: calendar, peer: link.name, id: link.id.text,
            state: link.isConnected ? .connected : link.hasFailed ? .down : .connecting, since: link.stateSince,
            connection: connection, conclusion: outlook.conclusion, remedy: outlook.remedy,
            registeredAt: match?.matchmakers(listing: link.id) ?? [], failures: search?.failureCount ?? 0,
            nextMilliseconds: search.map { Int(max(0, ($0.nextAt - now).milliseconds)) },
            introduction: run.map { run in
                PeerExplanation.Introduction(
                    run, ours: match?.reachability ?? Reachability(), theirs: match?.reachability(of: link.id),
                    now: now, calendar: calendar)
            })
    }

    private func facts(
        _ link: PeerLink, _ run: PunchRun?, _ connection: PeerExplanation.Connection?, now: Instant
    ) -> PeerOutlook.Facts {
        var facts = PeerOutlook.Facts(peer: link.name)
        // Over a way that ends at a member that is gone nothing is connected.
        facts.pathKind = link.isStranded ? nil : connection?.pathKind
        facts.forwardedBy = connection?.forwardedBy
        facts.hasForwarders = !forwarding.ways(to: link.id).isEmpty
        facts.lastError = link.lastError ?? (link.isStranded ? "the member that forwarded is gone" : nil)
        facts.hasMatchmakers = !(match?.plan.servers.isEmpty ?? true)
        guard let match else { return facts }
        let ways = match.behaviour.values.map(\.transport)
        facts.isUDPBlocked = ways.contains(.blocked) && !ways.contains(.works)
        facts.matchmakers = match.status(now: now).matchmakers.map { server in
            PeerOutlook.Matchmaker(
                server: server.server, isRegistered: server.state == .registered, problem: server.problem)
        }
        facts.earlierFailure = match.failure(of: link.id)
        facts.isListed = !match.matchmakers(listing: link.id).isEmpty
        guard let run else { return facts }
        if let failure = run.failure {
            facts.introduction = .failed(failure)
        } else {
            facts.introduction = run.punch.list.selected != nil ? .found : .running
        }
        facts.theory = run.punch.verdict
        if case .byPrediction(let prediction) = run.punch.verdict { facts.isHardSideOurs = prediction.isOurs }
        return facts
    }

    /// The way in use.
    private func connection(
        of link: PeerLink, _ run: PunchRun?, now: Instant, calendar: Timestamp
    ) -> PeerExplanation.Connection? {
        guard let channel = link.channel else { return nil }
        let path = channel.transport.pathSnapshots.first(where: \.isActive)
        guard let session = path.flatMap({ channel.session(of: $0.id) }) ?? channel.sessionInUse else { return nil }
        let isIntroduced =
            link.usedWay?.remote == session.remote
            || run?.punch.list.pairs.contains { $0.wasSelected && $0.remote.endpoint == session.remote } ?? false
        return PeerExplanation.Connection(
            local: session.local?.description, remote: forwarding.words(for: session.remote),
            pathKind: channel.pathKind, forwardedBy: link.forwarderName,
            found: session.remote.isForwarded
                ? .member
                : isIntroduced
                    ? (run?.isOfThisNetwork ?? false ? .network : .introduction)
                    : session.session.isInitiator ? .knownAddress : .called,
            since: Timestamp(unixMilliseconds: calendar.unixMilliseconds - (now - session.since).milliseconds),
            rttMicroseconds: path?.roundTrip.map { UInt64(max(0, $0.microseconds)) })
    }
}

extension MatchAgent {
    /// A peer's ways as it says now; nil where nobody lists it.
    func reachability(of peer: GatewayID) -> Reachability? {
        links.compactMap { $0.listings[peer]?.content }.max { $0.revision < $1.revision }?.reachability
    }

    /// The matchmakers that list a peer.
    func matchmakers(listing peer: GatewayID) -> [String] {
        var result: [String] = []
        for link in links where link.listings[peer] != nil {
            let server = link.server.place
            if !result.contains(server) { result.append(server) }
        }
        return result
    }
}
