import DXTunnel

/// What the dashboard shows of a gateway, as `GET /dashboard.json` answers it (`docs/dashboard.md` §3).
///
/// There is no address of a client in it, no key and no secret; of peers there are the addresses that stand in reasons and events. It has
/// 1,000 peers and 1,000 tunnels at most, those in trouble first, and says how many there are.
struct DashboardSnapshot: Sendable, Encodable {
    /// The version of this layout.
    var schema = 1
    var name: String
    var id: String
    var version: String
    var time: Timestamp
    var uptimeSeconds: Double
    var isDraining: Bool
    var health: Health
    var counts: Counts
    var group: Group?
    var memory: Memory
    var peers: [Peer]
    var tunnels: [Tunnel]
    /// Newest first.
    var events: [Event]

    static let mostPeers = 1_000
    static let mostTunnels = 1_000
    static let mostProblems = 20
    static let mostEvents = 100

    /// Whether all is well, and what is to be done when not.
    struct Health: Sendable, Encodable {
        var isHealthy: Bool
        /// The whole of it in a sentence.
        var sentence: String
        /// What is wrong, what is alike as one, at most `mostProblems`.
        var problems: [Problem]
        /// How many more there are.
        var more: Int

        private enum CodingKeys: String, CodingKey {
            case isHealthy = "healthy"
            case sentence, problems, more
        }
    }

    /// Something that is wrong, and the command that says more.
    struct Problem: Sendable, Encodable {
        var text: String
        var command: String
    }

    /// Of all there are, also those that are left out.
    struct Counts: Sendable, Encodable {
        var peers: Int
        var connected: Int
        var tunnels: Int
        var working: Int
        var open: Int
    }

    /// The group, where there is one.
    struct Group: Sendable, Encodable {
        var name: String
        var revision: UInt64
        var members: Int
    }

    /// Tunnel data that is held.
    struct Memory: Sendable, Encodable {
        var used: UInt64
        var limit: UInt64
    }

    /// Another gateway.
    struct Peer: Sendable, Encodable {
        var name: String
        var state: PeerStatus.State
        var since: Timestamp
        var path: PathKind?
        var through: String?
        var rttMicroseconds: UInt64?
        var sent: UInt64
        var received: UInt64
        var streams: Int
        /// How many of its paths are used, stand by, and are down.
        var paths: [String: Int]
        var error: String?

        private enum CodingKeys: String, CodingKey {
            case name, state, since, path, through, sent, received, streams, paths, error
            case rttMicroseconds = "rtt_us"
        }
    }

    /// This gateway's end of a tunnel.
    struct Tunnel: Sendable, Encodable {
        var name: String
        var role: TunnelStatus.Role
        /// `active`, `waiting`, `failed` or `no target`.
        var state: String
        var problem: String?
        var udp: Bool
        var open: Int
        var total: UInt64
        var refused: UInt64
        var toTarget: UInt64
        var toClient: UInt64

        private enum CodingKeys: String, CodingKey {
            case name, role, state, problem, udp, open, total, refused
            case toTarget = "to_target"
            case toClient = "to_client"
        }
    }

    /// Something that happened.
    struct Event: Sendable, Encodable {
        /// What it means for the gateway.
        enum Tone: String, Sendable, Encodable { case good, bad, plain }

        var id: String?
        var time: Timestamp
        var kind: GatewayEventRecord.Kind
        var tone: Tone
        var text: String
    }

    private enum CodingKeys: String, CodingKey {
        case schema, name, id, version, time, health, counts, group, memory, peers, tunnels, events
        case uptimeSeconds = "uptime_seconds"
        case isDraining = "draining"
    }
}

extension DashboardSnapshot {
    /// What there is to show of `status` and of `events`, the oldest of which comes first.
    init(_ status: GatewayStatus, events: [GatewayEventRecord]) {
        let away = status.peers.filter { $0.state != .connected }
        let broken = status.tunnels.filter { $0.problem != nil }
        let peers = away + status.peers.filter { $0.state == .connected }
        let tunnels = broken + status.tunnels.filter { $0.problem == nil }
        self.init(
            name: TextFit.clean(status.name), id: status.id, version: status.version, time: status.time,
            uptimeSeconds: status.uptimeSeconds, isDraining: status.draining == true, health: Health(status),
            counts: Counts(
                peers: peers.count, connected: peers.count - away.count, tunnels: tunnels.count,
                working: tunnels.count - broken.count, open: tunnels.reduce(0) { $0 + $1.openConnections }),
            group: status.group.map {
                Group(name: TextFit.clean($0.name), revision: UInt64($0.revision), members: Int($0.members))
            },
            memory: Memory(used: UInt64(status.memory.usedBytes), limit: UInt64(status.memory.limitBytes)),
            peers: peers.prefix(Self.mostPeers).map(Peer.init),
            tunnels: tunnels.prefix(Self.mostTunnels).map(Tunnel.init),
            events: events.suffix(Self.mostEvents).reversed().map(Event.init))
    }
}

extension DashboardSnapshot.Health {
    init(_ status: GatewayStatus) {
        let all = StatusProblem.all(of: status)
        let merged = StatusProblem.merged(all)
        let shown = merged.prefix(DashboardSnapshot.mostProblems)
        let name = TextFit.clean(status.name)
        let draining = status.draining == true ? "; it takes no new connections (drain)" : ""
        isHealthy = all.isEmpty
        sentence =
            all.isEmpty
            ? "\(name) is healthy\(draining)"
            : "\(name) is NOT healthy: \(all.count) \(all.count == 1 ? "problem" : "problems")\(draining)"
        problems = shown.map {
            DashboardSnapshot.Problem(text: TextFit.clean($0.text), command: "dxgateway \(TextFit.clean($0.command))")
        }
        more = merged.count - shown.count
    }
}

extension DashboardSnapshot.Peer {
    init(_ peer: PeerStatus) {
        self.init(
            name: TextFit.clean(peer.name), state: peer.state, since: peer.since, path: peer.pathKind,
            through: peer.forwardedBy.map(TextFit.clean), rttMicroseconds: peer.rttMicroseconds, sent: peer.bytesSent,
            received: peer.bytesReceived, streams: peer.openStreams,
            paths: (peer.paths ?? []).reduce(into: [:]) { $0[$1.state.rawValue, default: 0] += 1 },
            error: peer.state == .connected ? nil : peer.lastError.map(TextFit.clean))
    }
}

extension DashboardSnapshot.Tunnel {
    init(_ tunnel: TunnelStatus) {
        self.init(
            name: TextFit.clean(tunnel.name), role: tunnel.role, state: TunnelText.state(tunnel),
            problem: tunnel.problem.map(TextFit.clean), udp: tunnel.networkProtocol == .udp,
            open: tunnel.openConnections, total: tunnel.totalConnections, refused: tunnel.refusedConnections,
            toTarget: tunnel.bytesToTarget, toClient: tunnel.bytesToClient)
    }
}

extension DashboardSnapshot.Event {
    init(_ record: GatewayEventRecord) {
        self.init(
            id: record.id, time: record.time, kind: record.event, tone: Self.tone(of: record),
            text: TextFit.clean(EventText(record).words))
    }

    private static func tone(of record: GatewayEventRecord) -> Tone {
        switch record.event {
        case .peerUp, .peerHeard, .pathUp: .good
        case .peerDown, .peerSilent, .pathDown, .connectionsRefused, .warning, .lost: .bad
        case .targetHealth, .destinationHealth: record.state == "up" ? .good : record.state == "down" ? .bad : .plain
        case .peerMoved, .peerForwarded, .configurationChanged, .draining: .plain
        }
    }
}
