public import DXTunnel

/// Peers for people: a table of all, or all of one.
public struct PeersReport: Sendable, CustomStringConvertible {
    private let peers: [PeerStatus]
    private let time: Timestamp
    private let terminal: Terminal

    /// A table of the peers of `status`, those that are not connected first. Its rows are cut to the terminal's width.
    public init(_ status: GatewayStatus, terminal: Terminal = .plain) {
        peers = status.peers.filter { $0.state != .connected } + status.peers.filter { $0.state == .connected }
        time = status.time
        self.terminal = terminal
    }

    private static let columns = [
        TextTable.Column(title: "PEER", shrinks: true), TextTable.Column(title: "STATE"),
        TextTable.Column(title: "FOR", rank: 3), TextTable.Column(title: "PATH", rank: 2),
        TextTable.Column(title: "RTT", rank: 1, isNumber: true),
        TextTable.Column(title: "LOST", rank: 4, isNumber: true),
        TextTable.Column(title: "MTU", rank: 8, isNumber: true),
        TextTable.Column(title: "SENT", rank: 6, isNumber: true),
        TextTable.Column(title: "RECEIVED", rank: 6, isNumber: true),
        TextTable.Column(title: "STREAMS", rank: 7, isNumber: true), TextTable.Column(title: "ADDRESS", rank: 5),
    ]

    /// The table, lines separated by newlines, without one at the end.
    public var description: String {
        guard !peers.isEmpty else { return "no peers" }
        let rows = peers.map { peer in
            [
                peer.name, peer.state.rawValue, Self.span(since: peer.since, at: time), peer.pathKind?.rawValue ?? "-",
                peer.rttMicroseconds.map(StatusReport.milliseconds) ?? "-", Self.loss(peer) ?? "-",
                peer.mtuBytes.map(String.init) ?? "-", StatusReport.bytes(peer.bytesSent),
                StatusReport.bytes(peer.bytesReceived), String(peer.openStreams),
                Self.address(peer) ?? peer.lastError ?? "-",
            ]
        }
        let lines = TextTable.fitted(Self.columns, rows, width: terminal.width)
        let styled = zip(lines.dropFirst(), peers).map { terminal.styled($0, Self.style(of: $1.state)) }
        return ([terminal.styled(lines[0], .strong)] + styled).joined(separator: "\n")
    }

    static func style(of state: PeerStatus.State) -> TextStyle {
        switch state {
        case .connected: .plain
        case .connecting: .warning
        case .down: .bad
        }
    }

    /// All that is known of the peer of this name, or whose id begins so; nil when there is none, or more than one.
    public static func detail(of name: String, in status: GatewayStatus) -> String? {
        guard let peer = peer(name, in: status) else { return nil }
        var lines = ["\(peer.name) is \(peer.state.rawValue) for \(span(since: peer.since, at: status.time))", ""]
        func add(_ word: String, _ text: String?) { if let text { lines += TextTable.paragraph("  " + word, [text]) } }
        add("id", peer.id)
        add("address", address(peer))
        add("path", peer.pathKind?.rawValue)
        add("round trip", peer.rttMicroseconds.map(StatusReport.milliseconds))
        add("lost", loss(peer))
        add("MTU", peer.mtuBytes.map { "\($0) bytes" })
        add("window", peer.congestionWindowBytes.map(StatusReport.bytes))
        add("congestion", peer.congestionControl)
        add("streams", "\(peer.openStreams) open")
        add("bytes", "\(StatusReport.bytes(peer.bytesSent)) sent, \(StatusReport.bytes(peer.bytesReceived)) received")
        add("last error", peer.lastError)
        if let paths = peer.paths, !paths.isEmpty {
            let rows = paths.map { path in
                [
                    path.local ?? "any", path.remote, path.state.rawValue, path.preference,
                    path.rttMicroseconds.map(StatusReport.milliseconds) ?? "-", StatusReport.bytes(path.bytesSent),
                    StatusReport.bytes(path.bytesReceived),
                ]
            }
            lines.append("")
            lines += TextTable.text(["FROM", "TO", "STATE", "PREFERENCE", "RTT", "SENT", "RECEIVED"], rows)
                .map { "  " + $0 }
        }
        let counters = peer.counters.filter { $0.value > 0 }.sorted { $0.key < $1.key }
        if !counters.isEmpty { lines.append("") }
        let width = counters.map(\.key.count).max() ?? 0
        lines += counters.map { "  \(TextFit.padded($0.key, width))  \($0.value)" }
        return lines.map(TextFit.clean).joined(separator: "\n")
    }

    /// The peer of this name, or whose id begins so with 8 characters or more; nil when there is none, or more than one.
    public static func peer(_ name: String, in status: GatewayStatus) -> PeerStatus? {
        if let peer = status.peers.first(where: { $0.name == name }) { return peer }
        let found = status.peers.filter { name.count >= 8 && $0.id.hasPrefix(name) }
        return found.count == 1 ? found[0] : nil
    }

    /// A peer in a line: `cloud-1 connected for 2 s, direct, RTT 12.345 ms, MTU 1452, 203.0.113.5:7700`.
    static func line(_ peer: PeerStatus, at time: Timestamp) -> String {
        let words = [
            "\(peer.name) \(peer.state.rawValue) for \(span(since: peer.since, at: time))", peer.pathKind?.rawValue,
            peer.rttMicroseconds.map { "RTT \(StatusReport.milliseconds($0))" }, peer.mtuBytes.map { "MTU \($0)" },
            address(peer),
        ]
        return words.compactMap { $0 }.joined(separator: ", ")
    }

    private static func address(_ peer: PeerStatus) -> String? {
        peer.forwardedBy.map { "through \($0)" } ?? peer.remoteAddress
    }

    /// Of the packets of the path in use.
    private static func loss(_ peer: PeerStatus) -> String? {
        guard let sent = peer.counters["packets_sent"], sent > 0 else { return nil }
        return StatusReport.percent(peer.counters["packets_lost"] ?? 0, of: sent)
    }

    private static func span(since: Timestamp, at time: Timestamp) -> String {
        StatusReport.span(Double(time.unixMilliseconds - since.unixMilliseconds) / 1_000)
    }
}

/// What `dxgateway peers --json` prints: a part of a gateway's status.
public struct PeersReply: Codable, Sendable, Hashable {
    /// The version of this layout.
    public var schema = GatewayStatus.schema
    /// The peers, as in the status.
    public var peers: [PeerStatus]

    /// An answer from its peers.
    public init(peers: [PeerStatus]) { self.peers = peers }
}
