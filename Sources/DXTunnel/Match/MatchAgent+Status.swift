import DXMatch
import DXWire

/// What this part of a gateway tells operators.
extension MatchAgent {
    /// A snapshot for status.
    func status(now: Instant) -> MatchStatus {
        MatchStatus(
            matchmakers: plan.servers.map { status(of: $0, now: now) },
            networks: [Endpoint.Family.v4, .v6].compactMap { family in
                behaviour[family].map {
                    MatchStatus.Network(ipVersion: family.version, nat: NATReport($0), binding: binding(family))
                }
            },
            keepaliveSeconds: keepalive.secondsAsDouble)
    }

    /// How it stands with one matchmaker: what the registration of the newest epoch says.
    private func status(of server: MatchmakerAddress, now: Instant) -> MatchmakerStatus {
        var result = MatchmakerStatus(server: server.place, pin: server.pin.text)
        guard let link = groupLink(of: server) else { return result }
        let known = link.client.status
        result.address = known.server?.description
        result.addresses = NetworkCheck.told(server.address, link.addresses)
        result.rttMicroseconds = known.roundTrip.map { UInt64(max(0, $0.microseconds)) }
        result.lastAnswerSeconds = known.lastHeardAt.map { max(0, (now - $0).secondsAsDouble) }
        result.observed = [known.observedV4, known.observedV6].compactMap { $0?.description }
        result.members = known.memberCount.map(Int.init)
        switch known.state {
        case .registered: result.state = .registered
        case .failing(let problem):
            result.state = .failing
            result.problem = "\(problem)"
            if case .wrongPin(_, let seen) = problem { result.seenPin = seen.text }
            if case .noAnswer = problem, let seen = seenPin(of: link) {
                result.seenPin = seen.text
                result.problem = MatchmakerStatus.wrongPin(seen.text, configured: server.pin.text)
            }
        case .noAddress:
            guard let problem = link.problem else { break }
            result.state = .failing
            result.problem = problem
        case .connecting, .ready, .registering, .stopped: break
        }
        return result
    }

    /// The pin that a matchmaker which does not answer under its own says it has; nil where none does.
    func seenPin(of link: MatchLink) -> GatewayID? {
        link.addresses.lazy.compactMap { self.saidPins[$0] }.first { $0 != link.server.pin }
    }

    /// The registration of the group's newest epoch at a matchmaker.
    private func groupLink(of server: MatchmakerAddress) -> MatchLink? {
        links.last { link in
            link.server == server && link.isWanted && link.purpose.isOfGroup
        }
    }
}
