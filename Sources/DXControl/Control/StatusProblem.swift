import DXTunnel

/// One reason why a gateway is not healthy, and the command to go on with.
struct StatusProblem: Sendable, Hashable {
    /// What it is about.
    enum Subject: Sendable, Hashable {
        /// A peer, by its name.
        case peer(String)
        /// A tunnel, by its name.
        case tunnel(String)
        /// The gateway itself, its group or its host.
        case other
    }

    /// What it is about.
    var subject: Subject
    /// A sentence.
    var text: String
    /// The verb of dxgateway that says more, with its arguments.
    var command: String

    /// All of them, in the order of `GatewayStatus.problems`; what the two ends of a tunnel at one gateway both say is told once.
    static func all(of status: GatewayStatus) -> [StatusProblem] {
        var told: Set<StatusProblem> = []
        return each(of: status).filter { told.insert($0).inserted }
    }

    private static func each(of status: GatewayStatus) -> [StatusProblem] {
        let tunnels = Dictionary(
            status.tunnels.compactMap { tunnel in tunnel.problem.map { ($0, tunnel.name) } },
            uniquingKeysWith: { first, _ in first })
        let away = status.peers.filter { $0.state != .connected }
        let peers = Dictionary(away.map { ("peer \($0.name) is ", $0.name) }, uniquingKeysWith: { first, _ in first })
        let group = Set(status.group?.problems ?? [])
        return status.problems.map { text in
            if let name = tunnels[text] {
                return StatusProblem(subject: .tunnel(name), text: text, command: "tunnel show \(name)")
            }
            if group.contains(text) {
                return StatusProblem(subject: .other, text: text, command: groupCommand(text))
            }
            // `peer NAME is STATE since …`: names have no spaces.
            let words = text.split(separator: " ", maxSplits: 3)
            if words.count == 4, let name = peers["\(words[0]) \(words[1]) \(words[2]) "] {
                return StatusProblem(subject: .peer(name), text: text, command: "explain \(name)")
            }
            return StatusProblem(subject: .other, text: text, command: otherCommand(text, away))
        }
    }

    /// What to run for something that its group says.
    private static func groupCommand(_ text: String) -> String {
        text.contains("key") || text.contains("member") ? "member list" : "doctor"
    }

    /// What to run for what is wrong with the gateway as a whole.
    private static func otherCommand(_ text: String, _ away: [PeerStatus]) -> String {
        if text.hasPrefix("no other member"), let peer = away.first { return "explain \(peer.name)" }
        if text.hasPrefix("no matchmaker") { return "netcheck" }
        if text.hasPrefix("memory") { return "top" }
        return "doctor"
    }

    /// Several problems of one kind as one: how many, a few names, and what is said of the first.
    static func merged(_ problems: [StatusProblem]) -> [StatusProblem] {
        var peers: [(String, StatusProblem)] = []
        var tunnels: [(String, StatusProblem)] = []
        var result: [StatusProblem] = []
        for problem in problems {
            switch problem.subject {
            case .peer(let name): peers.append((name, problem))
            case .tunnel(let name): tunnels.append((name, problem))
            case .other: result.append(problem)
            }
        }
        result += merged(peers, "peers are not connected", "peers")
        return result + merged(tunnels, "tunnels do not work", "tunnel list")
    }

    private static func merged(_ named: [(String, StatusProblem)], _ what: String, _ command: String) -> [StatusProblem]
    {
        // Two are told as shortly one by one.
        guard named.count > 2 else { return named.map(\.1) }
        let names = named.prefix(3).map(\.0).joined(separator: ", ") + (named.count > 3 ? ", ..." : "")
        return [
            StatusProblem(
                subject: .other, text: "\(named.count) \(what): \(names); the first: \(named[0].1.text)",
                command: command)
        ]
    }
}
