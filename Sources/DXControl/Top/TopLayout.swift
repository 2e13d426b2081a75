public import DXTunnel

/// The picture of `dxgateway top`: a function of two snapshots, of what was chosen, and of the size of the terminal.
public struct TopLayout: Sendable {
    /// A line and how it looks.
    public struct Line: Sendable, Hashable {
        /// No longer than the terminal is wide, without a newline.
        public var text: String
        /// How it looks where there are colours.
        public var style: TextStyle
    }

    /// No more lines than the terminal has rows.
    public private(set) var lines: [Line] = []
    /// How many rows of a table fit below one another; at least 1.
    public let rowCount: Int
    /// How many rows the longest table that is shown has.
    public let mostRows: Int

    private let status: GatewayStatus
    private let rates: TopRates
    private let state: TopState
    private let width: Int

    /// Draws.
    ///
    /// - Parameters:
    ///   - before: the snapshot to compare with; nil: rates are not known yet.
    ///   - status: the newest snapshot.
    ///   - trouble: why there is no newer one; nil when all is well.
    ///   - width: columns, at least 1.
    ///   - height: rows, at least 1.
    public init(
        before: GatewayStatus?, status: GatewayStatus, state: TopState, trouble: String? = nil, width: Int, height: Int
    ) {
        self.status = status
        self.state = state
        self.width = max(1, width)
        rates = TopRates(from: before, to: status)
        let height = max(1, height)
        // Three lines above the tables, one below; each table has a head, and an empty line stands between two.
        let showsPeers = state.view != .tunnels
        let showsTunnels = state.view != .peers
        let room = height - 4 - (showsPeers && showsTunnels ? 3 : 1)
        let (peerRows, tunnelRows) = Self.split(
            max(0, room), peers: showsPeers ? status.peers.count : nil,
            tunnels: showsTunnels ? status.tunnels.count : nil)
        rowCount = max(1, showsPeers && showsTunnels ? min(peerRows, tunnelRows) : max(peerRows, tunnelRows))
        mostRows = max(showsPeers ? status.peers.count : 0, showsTunnels ? status.tunnels.count : 0)
        var drawn = header(trouble)
        if showsPeers { drawn += peerTable(peerRows) }
        if showsPeers && showsTunnels { drawn.append(Line(text: "", style: .plain)) }
        if showsTunnels { drawn += tunnelTable(tunnelRows) }
        drawn = Array(drawn.prefix(height - 1))
        while drawn.count < height - 1 { drawn.append(Line(text: "", style: .plain)) }
        drawn.append(footer)
        lines = drawn.map { Line(text: TextFit.cut(TextFit.clean($0.text), self.width), style: $0.style) }
    }

    /// How many rows each table gets: half each, and what one does not need the other has.
    private static func split(_ room: Int, peers: Int?, tunnels: Int?) -> (Int, Int) {
        guard let peers else { return (0, room) }
        guard let tunnels else { return (room, 0) }
        let half = room / 2
        let peerRows = min(peers, max(half, room - tunnels))
        return (peerRows, room - peerRows)
    }

    // MARK: Lines

    private func header(_ trouble: String?) -> [Line] {
        let connected = status.peers.filter { $0.state == .connected }.count
        let working = status.tunnels.filter { $0.problem == nil }.count
        let verdict = status.isHealthy ? "healthy" : "NOT healthy"
        let first =
            "\(status.name) is \(verdict), up \(StatusReport.span(status.uptimeSeconds)); \(connected) of \(status.peers.count)"
            + " peers connected, \(working) of \(status.tunnels.count) tunnels work"
        let peers = status.peers.map(rates.peer)
        let open = status.tunnels.reduce(0) { $0 + $1.openConnections }
        let new = Self.sum(status.tunnels.map { rates.tunnel($0).connections })
        let resident = status.memory.residentBytes.map { ", \(StatusReport.bytes($0)) resident" } ?? ""
        let second =
            "out \(Self.rate(Self.sum(peers.map(\.sent)))), in \(Self.rate(Self.sum(peers.map(\.received)))) bit/s; "
            + "\(plural(open, "connection")) open, \(Self.count(new)) new/s; \(StatusReport.bytes(status.memory.usedBytes)) buffered\(resident)"
        let problems = StatusProblem.all(of: status)
        let more = problems.count > 1 ? " (and \(problems.count - 1) more)" : ""
        let third: Line =
            if let trouble {
                Line(text: trouble, style: .bad)
            } else if let problem = problems.first?.text {
                // The count stands before the sentence, which may be longer than the line.
                Line(text: "!\(more) \(problem)", style: .warning)
            } else {
                Line(text: "", style: .plain)
            }
        return [
            Line(text: first, style: status.isHealthy ? .good : .bad), Line(text: second, style: .plain), third,
        ]
    }

    private var footer: Line {
        let orders = TopState.Order.allCases.map { order in
            let (character, word) = order.key
            return order == state.order
                ? "[\(character) \(word)\(state.isReversed ? " reversed" : "")]" : "\(character) \(word)"
        }
        return Line(text: "q quit  tab view  sort: " + orders.joined(separator: "  "), style: .inverse)
    }

    private static let peerColumns = [
        TextTable.Column(title: "PEER", shrinks: true), TextTable.Column(title: "STATE", rank: 3),
        TextTable.Column(title: "PATH", rank: 5), TextTable.Column(title: "OUT bit/s", isNumber: true),
        TextTable.Column(title: "IN bit/s", isNumber: true), TextTable.Column(title: "RTT", rank: 1, isNumber: true),
        TextTable.Column(title: "LOST", rank: 2, isNumber: true),
        TextTable.Column(title: "STREAMS", rank: 4, isNumber: true),
        TextTable.Column(title: "ADDRESS", rank: 6),
    ]

    private func peerTable(_ count: Int) -> [Line] {
        let shown = window(sortedPeers, count)
        let rows = shown.map { peer in
            let rate = rates.peer(peer)
            return [
                peer.name, peer.state.rawValue, peer.pathKind?.rawValue ?? "-", Self.rate(rate.sent),
                Self.rate(rate.received),
                peer.rttMicroseconds.map(StatusReport.milliseconds) ?? "-",
                rate.loss.map { StatusReport.percent(UInt64($0 * 1_000_000), of: 1_000_000) } ?? "-",
                String(peer.openStreams), peer.forwardedBy.map { "through \($0)" } ?? peer.remoteAddress ?? "-",
            ]
        }
        return table(Self.peerColumns, rows, shown.map { PeersReport.style(of: $0.state) })
    }

    private static let tunnelColumns = [
        TextTable.Column(title: "TUNNEL", shrinks: true), TextTable.Column(title: "END", rank: 4),
        TextTable.Column(title: "STATE", rank: 2), TextTable.Column(title: "TO TARGET bit/s", isNumber: true),
        TextTable.Column(title: "TO CLIENT bit/s", isNumber: true),
        TextTable.Column(title: "OPEN", rank: 1, isNumber: true),
        TextTable.Column(title: "NEW/s", rank: 3, isNumber: true),
        TextTable.Column(title: "REFUSED", rank: 5, isNumber: true),
        TextTable.Column(title: "ADDRESS", rank: 6),
    ]

    private func tunnelTable(_ count: Int) -> [Line] {
        let shown = window(sortedTunnels, count)
        let rows = shown.map { tunnel in
            let rate = rates.tunnel(tunnel)
            return [
                tunnel.name, tunnel.role.rawValue, TunnelText.state(tunnel), Self.rate(rate.toTarget),
                Self.rate(rate.toClient), String(tunnel.openConnections), Self.count(rate.connections),
                String(tunnel.refusedConnections), TunnelText.place(tunnel),
            ]
        }
        return table(Self.tunnelColumns, rows, shown.map { $0.problem == nil ? .plain : .bad })
    }

    private func table(_ columns: [TextTable.Column], _ rows: [[String]], _ styles: [TextStyle]) -> [Line] {
        let texts = TextTable.fitted(columns, rows, width: width)
        return [Line(text: texts[0], style: .strong)] + zip(texts.dropFirst(), styles).map { Line(text: $0, style: $1) }
    }

    /// The part of the rows that the scrolling shows; a table that is shorter than others stays at its end.
    private func window<Row>(_ rows: [Row], _ count: Int) -> ArraySlice<Row> {
        rows.dropFirst(min(state.scroll, max(0, rows.count - count))).prefix(max(0, count))
    }

    // MARK: Order

    private var sortedPeers: [PeerStatus] {
        sorted(status.peers, name: \.name) { peer in
            let rate = rates.peer(peer)
            return switch state.order {
            case .throughput: (rate.sent ?? 0) + (rate.received ?? 0)
            case .delay: Double(peer.rttMicroseconds ?? 0)
            case .loss: rate.loss ?? 0
            case .connections: Double(peer.openStreams)
            case .name: 0
            }
        }
    }

    private var sortedTunnels: [TunnelStatus] {
        sorted(status.tunnels, name: \.name) { tunnel in
            let rate = rates.tunnel(tunnel)
            return switch state.order {
            case .throughput, .delay: (rate.toTarget ?? 0) + (rate.toClient ?? 0)
            case .loss: Double(tunnel.refusedConnections)
            case .connections: Double(tunnel.openConnections)
            case .name: 0
            }
        }
    }

    /// The largest value first, those of one value by name.
    private func sorted<Row>(_ rows: [Row], name: (Row) -> String, value: (Row) -> Double) -> [Row] {
        let keyed = rows.map { (row: $0, value: value($0), name: name($0)) }
        let result = keyed.sorted { ($1.value, $0.name) < ($0.value, $1.name) }.map(\.row)
        return state.isReversed ? result.reversed() : result
    }

    // MARK: Numbers

    private static func sum(_ values: [Double?]) -> Double? {
        let known = values.compactMap { $0 }
        return known.isEmpty ? nil : known.reduce(0, +)
    }

    /// Bytes a second as bits a second, three digits: `0`, `950`, `12.3K`, `1.25G`; a dash when it is not known.
    static func rate(_ bytesPerSecond: Double?) -> String {
        guard let bytesPerSecond else { return "-" }
        var value = bytesPerSecond * 8
        // As text, 999.5 is 1000 already.
        guard value >= 999.5 else { return StatusReport.decimals(value, 0) }
        var unit = -1
        let units = ["K", "M", "G", "T"]
        while value >= 999.5, unit < units.count - 1 {
            value /= 1_000
            unit += 1
        }
        return StatusReport.decimals(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0) + units[unit]
    }

    private static func count(_ perSecond: Double?) -> String {
        perSecond.map { StatusReport.decimals($0, $0 < 9.95 && $0 > 0 ? 1 : 0) } ?? "-"
    }
}
