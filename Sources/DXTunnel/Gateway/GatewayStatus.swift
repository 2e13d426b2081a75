/// A snapshot of a running gateway: what `dxgateway status --json` prints and `GET /v1/status` answers.
///
/// JSON keys are snake_case with units in their names; times are RFC 3339 in UTC. Keys may be added without a new
/// `schema`; none is removed or changed in meaning.
public struct GatewayStatus: Sendable, Hashable {
    /// The version of this layout.
    public static let schema = 1

    /// The gateway's configured name.
    public var name: String
    /// Its gateway id as text.
    public var id: String
    /// The version of the program.
    public var version: String
    /// When the snapshot was taken.
    public var time: Timestamp
    /// How long the gateway has run, in seconds.
    public var uptimeSeconds: Double
    /// The UDP addresses it is bound to, with their real ports.
    public var listen: [String]
    /// What the kernel gave.
    public var socket: SocketStatus
    /// The event loops, each with a thread.
    public var threads: Int
    /// Its peers, in the order of the configuration.
    public var peers: [PeerStatus]
    /// Its tunnels, in the order of the configuration.
    public var tunnels: [TunnelStatus]
    /// Datagrams dropped since the start, by reason; reasons that never occurred may be absent.
    public var drops: [String: UInt64]
    /// Buffered bytes and their limit.
    public var memory: MemoryStatus
    /// Its group; nil in static mode.
    public var group: GroupStatus?
    /// Its matchmakers and its network; nil where there are no matchmakers.
    public var match: MatchStatus?
    /// The matchmaker that it is for its own group; nil where it is none.
    public var serveMatch: MatchServiceStatus?
    /// What it has to do with forwarding; nil where that is nothing.
    public var forwarding: ForwardingStatus?
    /// It takes no new connections, and its peers know; nil when it does.
    public var draining: Bool?
    /// What there is of audit records; nil where none are kept.
    public var audit: AuditStatus?
    /// The file descriptors of its process; nil of a gateway that does not say.
    public var descriptors: DescriptorStatus?
    /// Handshakes since the start; nil of a gateway that does not say.
    public var handshakes: HandshakeStatus?

    /// A snapshot from its parts.
    public init(
        name: String, id: String, version: String = DXVersion.current, time: Timestamp, uptimeSeconds: Double,
        listen: [String], socket: SocketStatus, threads: Int = 1, peers: [PeerStatus], tunnels: [TunnelStatus],
        drops: [String: UInt64],
        memory: MemoryStatus, group: GroupStatus? = nil, match: MatchStatus? = nil,
        serveMatch: MatchServiceStatus? = nil, forwarding: ForwardingStatus? = nil
    ) {
        self.serveMatch = serveMatch
        self.forwarding = forwarding
        self.name = name
        self.id = id
        self.version = version
        self.time = time
        self.uptimeSeconds = uptimeSeconds
        self.listen = listen
        self.socket = socket
        self.threads = threads
        self.peers = peers
        self.tunnels = tunnels
        self.drops = drops
        self.memory = memory
        self.group = group
        self.match = match
    }

    /// One gateway's snapshot out of those of its event loops, in their order, which are of one moment as far as that goes.
    init(merging parts: [GatewayStatus], configuration: GatewayConfiguration) {
        precondition(!parts.isEmpty, "a gateway has an event loop")
        self = parts[0]
        threads = parts.count
        let peerOrder = Self.order(configuration.peers.map(\.name))
        peers = parts.flatMap(\.peers).sorted { (peerOrder[$0.name] ?? .max) < (peerOrder[$1.name] ?? .max) }
        for part in parts.dropFirst() {
            drops.merge(part.drops, uniquingKeysWith: &+)
            memory.add(part.memory)
            if let more = part.descriptors { descriptors?.add(more) }
            if let more = part.handshakes { handshakes?.add(more) }
            for tunnel in part.tunnels {
                let known = tunnels.firstIndex { $0.name == tunnel.name && $0.role == tunnel.role }
                if let known { tunnels[known].add(tunnel) } else { tunnels.append(tunnel) }
            }
        }
        let tunnelOrder = Self.order(configuration.tunnels.map(\.name))
        tunnels.sort { (tunnelOrder[$0.name] ?? .max) < (tunnelOrder[$1.name] ?? .max) }
    }

    private static func order(_ names: [String]) -> [String: Int] {
        Dictionary(names.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Whether every peer is connected, every tunnel works and leads to a target that is not down, and no limit is reached. In a group
    /// members come and go: one that is away is no problem as long as some other is there and every tunnel works.
    public var isHealthy: Bool { problems.isEmpty }

    /// Why it is not healthy, one sentence each; empty when it is.
    public var problems: [String] {
        let groupProblems = group?.problems ?? []
        let peerProblems =
            group != nil
            ? lonelinessProblems
            : peers.compactMap { peer -> String? in
                guard peer.state != .connected else { return nil }
                let reason = peer.lastError.map { ": \($0)" } ?? ""
                return "peer \(peer.name) is \(peer.state.rawValue) since \(peer.since)\(reason)"
            }
        let auditProblems = audit?.problem.map { ["audit records cannot be written: \($0)"] } ?? []
        return groupProblems + peerProblems + tunnels.compactMap(\.problem) + matchProblems + limitProblems
            + auditProblems
    }

    /// The whole of it in a line, for service managers: whether it is healthy, else the first reason why not.
    public var line: String {
        let connected = peers.count { $0.state == .connected }
        let open = tunnels.reduce(0) { $0 + $1.openConnections }
        let health = problems.first.map { "NOT healthy: \($0)" } ?? "healthy"
        return
            "\(health); \(connected) of \(peers.count) peers connected, \(open) connections in \(tunnels.count) tunnels"
    }

    /// Every matchmaker of the group says no, or is another one: who is not reached yet will not be. One that is silent is no problem by
    /// itself: members that have found each other do without.
    private var matchProblems: [String] {
        guard let match, let first = match.matchmakers.first(where: \.isRefusing),
            match.matchmakers.allSatisfy({ $0.state == .failing })
        else { return [] }
        return ["no matchmaker is of use: \(first.server): \(first.problem ?? "")"]
    }

    /// A limit is reached, and new connections are refused.
    private var limitProblems: [String] {
        var result: [String] = []
        if memory.state == .full {
            result.append(
                "memory is full: \(memory.usedBytes) of \(memory.limitBytes) bytes wait for readers that are slow, and new"
                    + " connections are refused: end what does not read, or raise limits: memory")
        }
        if let descriptors, descriptors.isShort {
            result.append(
                "no file descriptors are left: \(descriptors.used ?? 0) of \(descriptors.limit) are open, and new connections"
                    + " are refused: raise the service's LimitNOFILE, or lower limits: connections")
        }
        return result
    }

    /// In a group: no other member can be reached.
    private var lonelinessProblems: [String] {
        guard !peers.isEmpty, !peers.contains(where: { $0.state == .connected }) else { return [] }
        let reason = peers.lazy.compactMap(\.lastError).first.map { ": \($0)" } ?? ""
        return ["no other member of the group is connected\(reason)"]
    }
}

extension GatewayStatus: Codable {
    private enum CodingKeys: String, CodingKey {
        case schema, healthy, problems, name, id, version, time, draining
        case uptimeSeconds = "uptime_seconds"
        case listen, socket, threads, peers, tunnels, drops, memory, group, match, forwarding
        case serveMatch = "serve_match"
        case audit, descriptors, handshakes
    }

    /// Writes the layout, with `healthy` and `problems` worked out.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(Self.schema, forKey: .schema)
        try container.encode(isHealthy, forKey: .healthy)
        try container.encode(problems, forKey: .problems)
        try container.encode(name, forKey: .name)
        try container.encode(id, forKey: .id)
        try container.encode(version, forKey: .version)
        try container.encode(time, forKey: .time)
        try container.encode(uptimeSeconds, forKey: .uptimeSeconds)
        try container.encode(listen, forKey: .listen)
        try container.encode(socket, forKey: .socket)
        try container.encode(threads, forKey: .threads)
        try container.encode(peers, forKey: .peers)
        try container.encode(tunnels, forKey: .tunnels)
        try container.encode(drops, forKey: .drops)
        try container.encode(memory, forKey: .memory)
        try container.encodeIfPresent(group, forKey: .group)
        try container.encodeIfPresent(match, forKey: .match)
        try container.encodeIfPresent(serveMatch, forKey: .serveMatch)
        try container.encodeIfPresent(forwarding, forKey: .forwarding)
        try container.encodeIfPresent(draining, forKey: .draining)
        try container.encodeIfPresent(audit, forKey: .audit)
        try container.encodeIfPresent(descriptors, forKey: .descriptors)
        try container.encodeIfPresent(handshakes, forKey: .handshakes)
    }

    /// Reads the layout; throws `DecodingError` for another schema.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let schema = try container.decode(Int.self, forKey: .schema)
        guard schema == Self.schema else {
            throw DecodingError.dataCorruptedError(
                forKey: .schema, in: container, debugDescription: "schema \(schema), expected \(Self.schema)")
        }
        self.init(
            name: try container.decode(String.self, forKey: .name), id: try container.decode(String.self, forKey: .id),
            version: try container.decode(String.self, forKey: .version),
            time: try container.decode(Timestamp.self, forKey: .time),
            uptimeSeconds: try container.decode(Double.self, forKey: .uptimeSeconds),
            listen: try container.decode([String].self, forKey: .listen),
            socket: try container.decode(SocketStatus.self, forKey: .socket),
            threads: try container.decodeIfPresent(Int.self, forKey: .threads) ?? 1,
            peers: try container.decode([PeerStatus].self, forKey: .peers),
            tunnels: try container.decode([TunnelStatus].self, forKey: .tunnels),
            drops: try container.decode([String: UInt64].self, forKey: .drops),
            memory: try container.decode(MemoryStatus.self, forKey: .memory),
            group: try container.decodeIfPresent(GroupStatus.self, forKey: .group),
            match: try container.decodeIfPresent(MatchStatus.self, forKey: .match),
            serveMatch: try container.decodeIfPresent(MatchServiceStatus.self, forKey: .serveMatch),
            forwarding: try container.decodeIfPresent(ForwardingStatus.self, forKey: .forwarding))
        draining = try container.decodeIfPresent(Bool.self, forKey: .draining)
        audit = try container.decodeIfPresent(AuditStatus.self, forKey: .audit)
        descriptors = try container.decodeIfPresent(DescriptorStatus.self, forKey: .descriptors)
        handshakes = try container.decodeIfPresent(HandshakeStatus.self, forKey: .handshakes)
    }
}

/// What the kernel gave the gateway's UDP sockets.
public struct SocketStatus: Sendable, Hashable, Codable {
    /// Bytes of receive buffer, of all sockets of one address family and event loop.
    public var receiveBufferBytes: Int
    /// Bytes of send buffer, of one socket.
    public var sendBufferBytes: Int
    /// Whether many datagrams go out in one call (UDP_SEGMENT).
    public var gso: Bool
    /// Whether many datagrams come in in one call (UDP_GRO).
    public var gro: Bool
    /// Whether congestion marks are read and set (RFC 3168).
    public var ecn: Bool

    /// A value from its parts.
    public init(receiveBufferBytes: Int, sendBufferBytes: Int, gso: Bool, gro: Bool, ecn: Bool) {
        self.receiveBufferBytes = receiveBufferBytes
        self.sendBufferBytes = sendBufferBytes
        self.gso = gso
        self.gro = gro
        self.ecn = ecn
    }

    private enum CodingKeys: String, CodingKey {
        case receiveBufferBytes = "receive_buffer_bytes"
        case sendBufferBytes = "send_buffer_bytes"
        case gso, gro, ecn
    }
}
