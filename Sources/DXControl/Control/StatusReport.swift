public import DXTunnel

/// A status for people: whether all is well and why not, on one screen of 24 lines as long as there are few peers and
/// tunnels. Tables are cut at `maximumRows`, what is not well first.
public struct StatusReport: Sendable, CustomStringConvertible {
    /// Rows shown of each table: with the header, its lines and the problems, a screen of 24 lines is full.
    public static let maximumRows = 8

    private let status: GatewayStatus

    /// A report of `status`.
    public init(_ status: GatewayStatus) { self.status = status }

    /// The report, lines separated by newlines, without one at the end.
    public var description: String {
        var lines = header
        lines += matchLines + forwardLines
        lines += peerTable
        lines += tunnelTable
        if !status.drops.isEmpty { lines += ["", "dropped   \(drops)"] }
        if !status.problems.isEmpty {
            lines += ["", "not healthy:"] + status.problems.prefix(Self.maximumRows).map { "  \($0)" }
            lines += Self.more(status.problems.count)
        }
        return lines.joined(separator: "\n")
    }

    private var header: [String] {
        let socket = status.socket
        let abilities = [("GSO", socket.gso), ("GRO", socket.gro), ("ECN", socket.ecn)]
            .map { $1 ? $0 : "no \($0)" }.joined(separator: ", ")
        let resident = status.memory.residentBytes.map { ", \(Self.bytes($0)) resident" } ?? ""
        let fullness =
            switch status.memory.state {
            case .full: ", FULL"
            case .tight: ", short"
            case .plenty, nil: ""
            }
        var lines = [
            "\(status.name) is \(status.isHealthy ? "healthy" : "NOT healthy"), up \(Self.span(status.uptimeSeconds)),"
                + " version \(status.version)",
            "id        \(status.id)",
        ]
        if let group = status.group {
            lines.append(
                "group     \(group.name), revision \(group.revision), epoch \(group.epoch), \(group.members) members,"
                    + " \(group.neighbours) neighbours" + (group.admin ? "; an admin" : ""))
        }
        lines += [
            "listens   \(status.listen.joined(separator: ", "))",
            "socket    buffers \(Self.bytes(socket.receiveBufferBytes)) in, \(Self.bytes(socket.sendBufferBytes)) out;"
                + " \(abilities)",
            "memory    \(Self.bytes(status.memory.usedBytes)) of \(Self.bytes(status.memory.limitBytes)) buffered"
                + resident + fullness,
        ]
        lines += limitLines
        if let service = status.serveMatch { lines.append("serves    \(Self.words(service))") }
        return lines
    }

    /// File descriptors, and what was refused for want of them or of memory: nothing, as long as there is enough.
    private var limitLines: [String] {
        var lines: [String] = []
        if let refused = status.memory.refusedConnections, refused > 0 {
            lines.append("          \(refused) connections refused for want of memory")
        }
        if let descriptors = status.descriptors,
            descriptors.isShort || descriptors.refusedConnections > 0 || descriptors.acceptPauses > 0
        {
            lines.append(
                "files     \(descriptors.used.map(String.init) ?? "?") of \(descriptors.limit) open,"
                    + " \(descriptors.refusedConnections) connections refused, \(descriptors.acceptPauses) pauses")
        }
        return lines
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
            "forwards  for \(forwarding.pairs) pairs of members, \(Self.bytes(forwarding.bytesPassed)) so far, at most"
                + " \(Self.rate(rate))bit/s" + (dropped > 0 ? "; \(dropped) datagrams dropped" : "")
        ]
    }

    /// The matchmakers, what the network does, and how long it remembers.
    private var matchLines: [String] {
        guard let match = status.match else { return [] }
        var lines = match.matchmakers.prefix(Self.maximumRows).enumerated().map { number, server in
            (number == 0 ? "match     " : "          ") + NetworkWords.line(server)
        }
        for network in match.networks {
            let binding = network.binding.flatMap(NetworkWords.binding).map { "; \($0)" } ?? ""
            lines.append("network   IPv\(network.ipVersion): \(NetworkWords.short(network.nat))\(binding)")
        }
        return lines
    }

    private var peerTable: [String] {
        guard !status.peers.isEmpty else { return ["", "no peers"] }
        let sorted = status.peers.filter { $0.state != .connected } + status.peers.filter { $0.state == .connected }
        let rows = sorted.prefix(Self.maximumRows).map { peer in
            [
                peer.name, peer.state.rawValue,
                Self.span(Double(status.time.unixMilliseconds - peer.since.unixMilliseconds) / 1_000),
                peer.forwardedBy.map { "through \($0)" } ?? peer.remoteAddress ?? "-", peer.pathKind?.rawValue ?? "-",
                peer.rttMicroseconds.map(Self.milliseconds) ?? "-", peer.mtuBytes.map(String.init) ?? "-",
                Self.bytes(peer.bytesSent), Self.bytes(peer.bytesReceived), String(peer.openStreams),
            ]
        }
        return [""]
            + TextTable.text(
                ["PEER", "STATE", "FOR", "ADDRESS", "PATH", "RTT", "MTU", "SENT", "RECEIVED", "STREAMS"], rows)
            + Self.more(status.peers.count)
    }

    private var tunnelTable: [String] {
        guard !status.tunnels.isEmpty else { return ["", "no tunnels"] }
        let sorted = status.tunnels.filter { $0.problem != nil } + status.tunnels.filter { $0.problem == nil }
        // One more column only where there is something to say.
        let hasRate = status.tunnels.contains { $0.rateBitsPerSecond != nil }
        let rows = sorted.prefix(Self.maximumRows).map { tunnel in
            let places = tunnel.role == .origin ? tunnel.listen.joined(separator: ",") : tunnel.target ?? ""
            let address = tunnel.networkProtocol == .udp && !places.isEmpty ? "udp " + places : places
            return [
                tunnel.name, tunnel.role.rawValue, Self.state(of: tunnel), address.isEmpty ? "-" : address,
                String(tunnel.openConnections), String(tunnel.totalConnections), String(tunnel.refusedConnections),
                Self.bytes(tunnel.bytesToTarget), Self.bytes(tunnel.bytesToClient),
            ] + (hasRate ? [tunnel.rateBitsPerSecond.map(Self.rate) ?? "-"] : [])
        }
        return [""]
            + TextTable.text(
                ["TUNNEL", "END", "STATE", "ADDRESS", "OPEN", "TOTAL", "REFUSED", "TO TARGET", "TO CLIENT"]
                    + (hasRate ? ["RATE"] : []), rows)
            + Self.more(status.tunnels.count) + datagramLines
    }

    /// Whether connections can be made, and lead somewhere.
    private static func state(of tunnel: TunnelStatus) -> String {
        tunnel.state == .active && tunnel.problem != nil ? "no target" : tunnel.state.rawValue
    }

    /// What UDP tunnels dropped, and why.
    private var datagramLines: [String] {
        let lossy = status.tunnels.filter { !($0.datagramsDropped ?? [:]).isEmpty }
        return lossy.prefix(Self.maximumRows).map { tunnel in
            let counts = Self.counts(tunnel.datagramsDropped ?? [:])
            return "  \(tunnel.name) (\(tunnel.role.rawValue)) dropped datagrams: \(counts)"
        }
    }

    /// Counts by reason, most frequent first.
    private static func counts(_ counts: [String: UInt64]) -> String {
        counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.value) \($0.key)" }
            .joined(separator: ", ")
    }

    /// The reasons of drops, most frequent first.
    private var drops: String {
        let sorted = status.drops.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.filter { $0.value > 0 }
        guard !sorted.isEmpty else { return "nothing" }
        let shown = sorted.prefix(Self.maximumRows).map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        return shown + (sorted.count > Self.maximumRows ? ", ..." : "")
    }

    private static func more(_ count: Int) -> [String] {
        count > maximumRows ? ["  ... and \(count - maximumRows) more: see --json"] : []
    }

    // MARK: Text

    /// Bytes with a binary unit, three digits: `1.50 KiB`, `64.0 MiB`, `512 B`.
    static func bytes(_ count: some BinaryInteger) -> String {
        var value = Double(count)
        guard value >= 1_024 else { return "\(count) B" }
        var unit = -1
        let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        while value >= 1_024, unit < units.count - 1 {
            value /= 1_024
            unit += 1
        }
        return "\(decimals(value, value < 10 ? 2 : value < 100 ? 1 : 0)) \(units[unit])"
    }

    /// Bits per second as the configuration file writes them, with the largest decimal unit that is exact: `20M`, `1500K`.
    static func rate(_ bitsPerSecond: UInt64) -> String {
        let units: [(UInt64, String)] = [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "K")]
        guard let unit = units.first(where: { bitsPerSecond >= $0.0 && bitsPerSecond % $0.0 == 0 }) else {
            return "\(bitsPerSecond)"
        }
        return "\(bitsPerSecond / unit.0)\(unit.1)"
    }

    /// Microseconds as milliseconds: `12.345 ms`.
    static func milliseconds(_ microseconds: UInt64) -> String { "\(decimals(Double(microseconds) / 1_000, 3)) ms" }

    /// The two largest units of a span: `1 h 2 min`.
    static func span(_ seconds: Double) -> String {
        guard seconds >= 1 else { return "0 s" }
        // A clock that was set back, or a device that booted in 1970, gives absurd spans: they are cut at 10,000 days.
        let whole = Int(min(seconds, 864_000_000))
        let parts = [(whole / 86_400, "d"), (whole / 3_600 % 24, "h"), (whole / 60 % 60, "min"), (whole % 60, "s")]
        guard let first = parts.firstIndex(where: { $0.0 > 0 }) else { return "0 s" }
        return parts[first..<Swift.min(first + 2, parts.count)].filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
            .joined(separator: " ")
    }

    /// A number that is not negative, rounded to `places` decimal places.
    private static func decimals(_ value: Double, _ places: Int) -> String {
        let scale = places == 0 ? 1 : places == 1 ? 10 : places == 2 ? 100 : 1_000
        let scaled = Int((value * Double(scale)).rounded())
        guard places > 0 else { return String(scaled) }
        let fraction = String(scaled % scale)
        return "\(scaled / scale).\(String(repeating: "0", count: places - fraction.count))\(fraction)"
    }
}
