public import DXTunnel

/// A status for people, on one screen however many peers and tunnels there are: whether all is well; if not, why, and what to run next
/// for each reason; then a few lines on each thing that a gateway has. `PeersReport` and `TunnelText` hold the details.
public struct StatusReport: Sendable, CustomStringConvertible {
    /// So many peers, tunnels and matchmakers have a line each; of more there are counts.
    static let maximumNamed = 3

    private let status: GatewayStatus
    private let terminal: Terminal
    private let place: String

    /// A report of `status`.
    ///
    /// - Parameters:
    ///   - terminal: lines are cut to its width, and there are as many as it has rows, at least 24, less the one for the prompt.
    ///   - place: the options behind the commands that are named, as ` --state DIR`, where the gateway is not found without.
    public init(_ status: GatewayStatus, terminal: Terminal = .plain, place: String = "") {
        self.status = status
        self.terminal = terminal
        self.place = place
    }

    /// The report, lines separated by newlines, without one at the end.
    public var description: String {
        let room = max(terminal.height, Terminal.usualSize.height) - 1
        var summary = summaryLines
        let problems = StatusProblem.all(of: status)
        guard !problems.isEmpty else {
            drop(from: &summary, to: room - 2)
            return ([verdict(0), ""] + summary.map(\.text)).joined(separator: "\n")
        }
        // What is wrong comes before what is there: the summary gives way until there is room for three problems.
        let whole = lines(of: problems)
        drop(from: &summary, to: room - 3 - Swift.min(whole.count, Self.leastProblemLines))
        let left = room - 3 - summary.count
        let reasons = whole.count <= left ? whole : shortened(problems, to: left)
        return ([verdict(problems.count), ""] + reasons + [""] + summary.map(\.text)).joined(separator: "\n")
    }

    /// Three problems of a line and a command each.
    private static let leastProblemLines = 6

    private func verdict(_ count: Int) -> String {
        let (state, style): (String, TextStyle) = count == 0 ? ("healthy", .good) : ("NOT healthy", .bad)
        let found = count == 0 ? "" : ": \(count) \(count == 1 ? "problem" : "problems")"
        let name = TextFit.cut(TextFit.clean(status.name), terminal.width.map { $0 / 2 })
        var rest = [
            status.draining == true ? ", DRAINING" : "", ", up \(Self.span(status.uptimeSeconds))",
            ", version \(TextFit.clean(status.version))",
        ]
        // What does not fit is told by --json.
        let fixed = name.count + " is ".count + state.count + found.count
        while let width = terminal.width, fixed + rest.joined().count > width, !rest.isEmpty { rest.removeLast() }
        return "\(name) is \(terminal.styled(state, style))\(found)\(rest.joined())"
    }

    // MARK: Problems

    private func lines(of problems: [StatusProblem]) -> [String] {
        problems.flatMap { problem in
            let text = TextFit.wrapped(TextFit.clean(problem.text), terminal.width.map { $0 - 2 }, lines: 3)
            return text.map { terminal.styled("  " + $0, .warning) } + [
                TextFit.cut("      dxgateway \(problem.command)\(place)", terminal.width)
            ]
        }
    }

    /// Those of one kind as one, and of the rest as many as there is room for.
    private func shortened(_ problems: [StatusProblem], to room: Int) -> [String] {
        let merged = StatusProblem.merged(problems)
        var result: [String] = []
        for (number, problem) in merged.enumerated() {
            let next = lines(of: [problem])
            let isLast = number == merged.count - 1
            guard result.count + next.count <= room - (isLast ? 0 : 1) else {
                return result + ["  ... and \(merged.count - number) more: dxgateway status --json\(place)"]
            }
            result += next
        }
        return result
    }

    // MARK: What is there

    /// A line of the summary; the higher its rank the sooner it gives way.
    private struct Line {
        var rank: Int
        var text: String
    }

    private func drop(from lines: inout [Line], to room: Int) {
        while lines.count > room, let rank = lines.map(\.rank).max(), rank > 0,
            let last = lines.lastIndex(where: { $0.rank == rank })
        {
            lines.remove(at: last)
        }
    }

    private var summaryLines: [Line] {
        var lines: [Line] = []
        func add(_ word: String, _ rank: Int, _ texts: [String]) {
            for (number, text) in texts.enumerated() {
                let left = TextFit.padded(number == 0 ? word : "", 12)
                let line = TextFit.cut(left + TextFit.clean(text), terminal.width)
                lines.append(Line(rank: rank + min(number, 1), text: line))
            }
        }
        add("peers", 0, peerLines)
        add("paths", 1, pathLines)
        add("tunnels", 0, tunnelLines)
        add("matchmaker", 1, matchLines)
        add("network", 5, networkLines)
        add("serves", 2, status.serveMatch.map { [Self.words($0)] } ?? [])
        add("forwards", 4, forwardLines)
        add("memory", 0, memoryLines)
        add("files", 2, descriptorLines)
        add("dropped", 7, dropLines)
        if let group = status.group {
            let admin = group.admin ? "; an admin" : ""
            let members = group.members == 1 ? "1 member" : "\(group.members) members"
            let neighbours = group.neighbours == 1 ? "1 neighbour" : "\(group.neighbours) neighbours"
            let counts = "epoch \(group.epoch), \(members), \(neighbours)"
            add("group", 3, ["\(group.name), revision \(group.revision), \(counts)\(admin)"])
        }
        add("listens", 6, [status.listen.joined(separator: ", ")])
        let socket = status.socket
        let abilities = [("GSO", socket.gso), ("GRO", socket.gro), ("ECN", socket.ecn)]
            .map { $1 ? $0 : "no \($0)" }.joined(separator: ", ")
        let buffers = "\(Self.bytes(socket.receiveBufferBytes)) in, \(Self.bytes(socket.sendBufferBytes)) out"
        add("socket", 8, ["buffers \(buffers); \(abilities)"])
        add("id", 7, [status.id])
        return lines
    }

    private var peerLines: [String] {
        let peers = status.peers
        guard peers.count > Self.maximumNamed else {
            return peers.isEmpty ? ["none"] : peers.map { PeersReport.line($0, at: status.time) }
        }
        let connected = peers.filter { $0.state == .connected }
        let kinds = Self.counted(connected.compactMap { $0.pathKind?.rawValue })
        let others = Self.counted(peers.filter { $0.state != .connected }.map(\.state.rawValue))
        return [
            "\(connected.count) of \(peers.count) connected" + (kinds.isEmpty ? "" : " (\(kinds))")
                + (others.isEmpty ? "" : ", \(others)")
        ]
    }

    private var pathLines: [String] {
        let peers = status.peers.filter { $0.state == .connected }
        guard !peers.isEmpty else { return [] }
        let trips = peers.compactMap(\.rttMicroseconds).sorted()
        var words: [String] = []
        if trips.count > 1, let least = trips.first, let most = trips.last {
            words.append(
                "RTT \(Self.milliseconds(least)) to \(Self.milliseconds(most)), median"
                    + " \(Self.milliseconds(trips[trips.count / 2]))")
        }
        let sent = peers.reduce(0) { $0 &+ $1.bytesSent }
        let received = peers.reduce(0) { $0 &+ $1.bytesReceived }
        words.append("\(Self.bytes(sent)) sent, \(Self.bytes(received)) received")
        let (lost, packets) = peers.reduce(into: (UInt64(0), UInt64(0))) { sum, peer in
            sum.0 &+= peer.counters["packets_lost"] ?? 0
            sum.1 &+= peer.counters["packets_sent"] ?? 0
        }
        if packets > 0 { words.append("\(Self.percent(lost, of: packets)) lost") }
        let several = peers.flatMap { $0.paths ?? [] }
        let down = several.filter { $0.state == .down }.count
        if down > 0 { words.append("\(down) of \(several.count) paths down") }
        return [words.joined(separator: "; ")]
    }

    private var tunnelLines: [String] {
        let tunnels = status.tunnels
        guard tunnels.count > Self.maximumNamed else {
            return tunnels.isEmpty ? ["none"] : tunnels.map(TunnelText.line)
        }
        let working = tunnels.filter { $0.problem == nil }.count
        let others = Self.counted(tunnels.filter { $0.problem != nil }.map(TunnelText.state))
        let open = tunnels.reduce(0) { $0 + $1.openConnections }
        let total = tunnels.reduce(0) { $0 &+ $1.totalConnections }
        let refused = tunnels.reduce(0) { $0 &+ $1.refusedConnections }
        return [
            "\(working) of \(tunnels.count) work" + (others.isEmpty ? "" : " (\(others))")
                + "; connections: \(open) open, \(total) in all, \(refused) refused"
        ]
    }

    private var matchLines: [String] {
        guard let servers = status.match?.matchmakers else { return [] }
        guard servers.count > Self.maximumNamed else { return servers.map(NetworkWords.line) }
        let failing = servers.filter { $0.state == .failing }
        let usable = "\(servers.count - failing.count) of \(servers.count) answer"
        return [usable] + failing.prefix(1).map(NetworkWords.line)
    }

    private var networkLines: [String] {
        (status.match?.networks ?? []).map { network in
            let binding = network.binding.flatMap(NetworkWords.binding).map { "; \($0)" } ?? ""
            return "IPv\(network.ipVersion): \(NetworkWords.short(network.nat))\(binding)"
        }
    }

    /// What it is to its own group.
    private static func words(_ service: MatchServiceStatus) -> String {
        let counts =
            "\(service.registrations) registrations, \(service.guests) guests, \(service.introductions) introductions"
        guard !service.isListed else { return "as matchmaker: \(counts)" }
        return "as matchmaker, unknown to the group: dxgateway config match add \(service.server ?? "HOST:PORT#self")"
    }

    /// What it forwards for others.
    private var forwardLines: [String] {
        guard let forwarding = status.forwarding, let rate = forwarding.rateBitsPerSecond else { return [] }
        let dropped = forwarding.refused.values.reduce(0, &+)
        return [
            "for \(forwarding.pairs) pairs of members, \(Self.bytes(forwarding.bytesPassed)) so far, at most"
                + " \(Self.rate(rate))bit/s" + (dropped > 0 ? "; \(dropped) datagrams dropped" : "")
        ]
    }

    private var memoryLines: [String] {
        let memory = status.memory
        let resident = memory.residentBytes.map { ", \(Self.bytes($0)) resident" } ?? ""
        let fullness =
            switch memory.state {
            case .full: ", FULL"
            case .tight: ", short"
            case .plenty, nil: ""
            }
        let refused = memory.refusedConnections.flatMap {
            $0 > 0 ? "; \(plural($0, "connection")) refused for want of it" : nil
        }
        return [
            "\(Self.bytes(memory.usedBytes)) of \(Self.bytes(memory.limitBytes)) buffered\(resident)\(fullness)\(refused ?? "")"
        ]
    }

    /// File descriptors, as soon as they run short.
    private var descriptorLines: [String] {
        guard let files = status.descriptors, files.isShort || files.refusedConnections > 0 || files.acceptPauses > 0
        else { return [] }
        return [
            "\(files.used.map(String.init) ?? "?") of \(files.limit) open, \(plural(files.refusedConnections, "connection")) refused,"
                + " \(files.acceptPauses) pauses"
        ]
    }

    /// Datagrams that were dropped, and why: those of peers, then those of UDP tunnels.
    private var dropLines: [String] {
        var lines: [String] = []
        let dropped = Self.counts(status.drops)
        if !dropped.isEmpty { lines.append(dropped) }
        let lossy = status.tunnels.filter { !($0.datagramsDropped ?? [:]).isEmpty }
        lines += lossy.prefix(Self.maximumNamed).map { tunnel in
            "of \(tunnel.name) (\(tunnel.role.rawValue)): \(Self.counts(tunnel.datagramsDropped ?? [:]))"
        }
        return lines
    }
}
