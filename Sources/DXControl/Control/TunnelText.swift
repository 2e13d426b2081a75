public import DXTunnel

/// Tunnels as they stand at this gateway, for people.
public enum TunnelText {
    /// Whether connections can be made, and lead somewhere.
    static func state(_ tunnel: TunnelStatus) -> String {
        tunnel.state == .active && tunnel.problem != nil ? "no target" : tunnel.state.rawValue
    }

    /// Where it listens, or leads to.
    static func place(_ tunnel: TunnelStatus) -> String {
        let places = tunnel.role == .origin ? tunnel.listen.joined(separator: ", ") : tunnel.target ?? ""
        guard !places.isEmpty else { return "-" }
        return tunnel.networkProtocol == .udp ? "udp " + places : places
    }

    /// A tunnel in a line, where it is at the end, which may be cut: `web origin active: 1 open, 20 in all, 1 refused; 127.0.0.1:8080`.
    static func line(_ tunnel: TunnelStatus) -> String {
        let rate = tunnel.rateBitsPerSecond.map { ", at most \(StatusReport.rate($0))bit/s" } ?? ""
        return "\(tunnel.name) \(tunnel.role.rawValue) \(state(tunnel)): \(tunnel.openConnections) open,"
            + " \(tunnel.totalConnections) in all, \(tunnel.refusedConnections) refused\(rate); \(place(tunnel))"
    }

    private static let columns = [
        TextTable.Column(title: "TUNNEL", shrinks: true), TextTable.Column(title: "END", rank: 3),
        TextTable.Column(title: "STATE"), TextTable.Column(title: "OPEN", rank: 1, isNumber: true),
        TextTable.Column(title: "TOTAL", rank: 5, isNumber: true),
        TextTable.Column(title: "REFUSED", rank: 4, isNumber: true),
        TextTable.Column(title: "TO TARGET", rank: 6, isNumber: true),
        TextTable.Column(title: "TO CLIENT", rank: 6, isNumber: true), TextTable.Column(title: "ADDRESS", rank: 2),
    ]

    /// A table of the tunnels, those that do not work first, cut to the terminal's width.
    public static func table(_ tunnels: [TunnelStatus], terminal: Terminal = .plain) -> String {
        guard !tunnels.isEmpty else { return "no tunnels" }
        let sorted = tunnels.filter { $0.problem != nil } + tunnels.filter { $0.problem == nil }
        let rows = sorted.map { tunnel in
            [
                tunnel.name, tunnel.role.rawValue, state(tunnel), String(tunnel.openConnections),
                String(tunnel.totalConnections), String(tunnel.refusedConnections),
                StatusReport.bytes(tunnel.bytesToTarget), StatusReport.bytes(tunnel.bytesToClient), place(tunnel),
            ]
        }
        let lines = TextTable.fitted(columns, rows, width: terminal.width)
        let styled = zip(lines.dropFirst(), sorted).map { terminal.styled($0, $1.problem == nil ? .plain : .bad) }
        return ([terminal.styled(lines[0], .strong)] + styled).joined(separator: "\n")
    }

    /// What is wrong with the ends of a tunnel here, in two words; nil when nothing is.
    public static func trouble(_ ends: [TunnelStatus]) -> String? {
        let words = ends.filter { $0.problem != nil }.map { "\($0.role.rawValue) \(state($0))" }
        return words.isEmpty ? nil : words.joined(separator: ", ")
    }

    /// How one end of a tunnel stands at this gateway, line by line.
    public static func lines(_ end: TunnelStatus) -> [String] {
        // One that cannot listen has no address either.
        let address = place(end) != "-" ? place(end) : end.state == .failed ? "no address" : "the program"
        var lines = [
            "here: \(end.role.rawValue), \(state(end)), \(address), \(end.openConnections) open of \(end.totalConnections)"
                + " connections" + (end.lastError.map { "; last error: \($0)" } ?? "")
        ]
        var words = [
            "\(StatusReport.bytes(end.bytesToTarget)) to the target, \(StatusReport.bytes(end.bytesToClient)) to the client"
        ]
        if end.refusedConnections > 0 { words.append("\(plural(end.refusedConnections, "connection")) refused") }
        if let waits = end.rateWaits, waits > 0 {
            words.append("made to wait \(waits) times by its rate, \(end.rateWaitMilliseconds ?? 0) ms in all")
        }
        let dropped = StatusReport.counts(end.datagramsDropped ?? [:])
        if !dropped.isEmpty { words.append("datagrams dropped: \(dropped)") }
        lines.append("  " + words.joined(separator: "; "))
        if let problem = end.problem { lines.append("  \(problem)") }
        return lines.map(TextFit.clean)
    }
}

/// What `dxgateway tunnel show --json` and `tunnel list --json` print at a gateway without a group: a part of its status.
public struct TunnelEndsReply: Codable, Sendable, Hashable {
    /// The version of this layout.
    public var schema = GatewayStatus.schema
    /// The ends of tunnels at this gateway, as in the status.
    public var here: [TunnelStatus]

    /// An answer from its ends.
    public init(here: [TunnelStatus]) { self.here = here }
}
