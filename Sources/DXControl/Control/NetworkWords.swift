import DXTunnel

/// What is found of networks and matchmakers, in words that need no book.
enum NetworkWords {
    /// A network in a line: the usual name, and what it means for a gateway.
    static func short(_ nat: NATReport) -> String {
        switch nat.udp {
        case .blocked: return "no UDP passes"
        case .unknown: return "not known: nothing answers"
        case .works: break
        }
        let ease: String
        switch nat.mapping {
        case Optional.none: ease = ""
        case .some(.none), .endpointIndependent: ease = " (easy: peers can be told where to send)"
        case .addressDependent, .addressAndPortDependent: ease = " (hard: its outside port differs for each peer)"
        }
        return nat.kind + ease
    }

    /// A network in several lines, one for each of its properties.
    static func lines(_ nat: NATReport) -> [String] {
        guard nat.udp == .works else { return [nat.meaning] }
        var lines = ["\(nat.kind)" + (nat.standardName.isEmpty ? "" : " (RFC 4787: \(nat.standardName))")]
        lines.append(outside(nat))
        lines.append(inward(nat))
        if let hairpin = nat.hairpin {
            lines.append(
                hairpin
                    ? "hosts behind it reach each other by their outside addresses (hairpin)"
                    : "hosts behind it do not reach each other by their outside addresses (no hairpin)")
        }
        return lines
    }

    private static func outside(_ nat: NATReport) -> String {
        let base =
            switch nat.mapping {
            case Optional.none: "it is not known how the outside address is chosen"
            case .some(.none): "the outside address is this host's own"
            case .endpointIndependent: "one outside address and port for all destinations"
            case .addressDependent: "another outside port for each destination address"
            case .addressAndPortDependent: "another outside port for each destination"
            }
        switch nat.ports {
        case Optional.none: return base
        case .preserved: return base + (nat.mapping == .some(.none) ? "" : "; the inside port is kept")
        case .sequential: return base + "; ports follow one another by \(nat.portStep ?? 1), so the next can be guessed"
        case .random: return base + "; ports are drawn at random"
        }
    }

    private static func inward(_ nat: NATReport) -> String {
        switch nat.filtering {
        case nil, .some(.none): "it is not known who may send in"
        case .endpointIndependent: "everybody may send in"
        case .addressDependent: "only hosts that were sent to may send in"
        case .addressAndPortDependent: "only ports that were sent to may send in"
        }
    }

    /// A matchmaker in a line.
    static func line(_ server: MatchmakerStatus) -> String {
        var parts: [String] = []
        switch server.state {
        case .registered: parts.append("registered")
        case .answers: parts.append("answers")
        case .connecting: parts.append("being asked")
        case .failing: parts.append(server.problem ?? "does not answer")
        }
        if let rtt = server.rttMicroseconds { parts.append(StatusReport.milliseconds(rtt)) }
        // Where a name leads; an address says it itself.
        if server.addresses != nil, server.state != .failing, let address = server.address {
            parts.append("at \(address)")
        }
        if let members = server.members, server.state == .registered {
            parts.append(members == 1 ? "1 member" : "\(members) members")
        }
        if server.state != .failing, let seen = server.observed.first { parts.append("sees this gateway at \(seen)") }
        return server.server + (server.state == .failing ? ": " : " ") + parts.joined(separator: ", ")
    }

    /// How long a network remembers; nil where there is nothing to say.
    static func binding(_ binding: BindingReport) -> String? {
        switch binding.state {
        case .measured:
            guard let survived = binding.survivedSeconds else {
                return "it forgets within \(Int(binding.expiredSeconds ?? 15)) s of silence"
            }
            guard let expired = binding.expiredSeconds else {
                return "it remembers \(Int(survived)) s of silence and more"
            }
            return "it remembers \(Int(survived)) s of silence, not \(Int(expired)) s"
        case .measuring: return "how long it remembers silence is being measured"
        case .untold: return nil
        }
    }
}
