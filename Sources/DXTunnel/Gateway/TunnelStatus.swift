/// A snapshot of one tunnel at this gateway.
public struct TunnelStatus: Sendable, Hashable, Codable {
    /// Which end this gateway is.
    public enum Role: String, Sendable, Hashable, Codable {
        /// Applications connect here.
        case origin
        /// Connections come out here.
        case destination
    }

    /// Whether connections can be made.
    public enum State: String, Sendable, Hashable, Codable {
        /// The listener block stands: connections are taken.
        case active
        /// The other end is not connected or has not yet activated the tunnel.
        case waiting
        /// It cannot work until something is changed; `lastError` says why.
        case failed
    }

    /// The configured name.
    public var name: String
    /// Which end this gateway is.
    public var role: Role
    /// Whether connections can be made.
    public var state: State
    /// What it carries; nil for TCP.
    public var networkProtocol: GatewayConfiguration.NetworkProtocol?
    /// At the origin: the addresses that listen, ports as they really are and unix sockets.
    public var listen: [String]
    /// At the destination: the target.
    public var target: String?
    /// Connections open now.
    public var openConnections: Int
    /// Connections made since the start.
    public var totalConnections: UInt64
    /// Connections refused since the start, by this end or the other.
    public var refusedConnections: UInt64
    /// Application bytes towards the target since the start.
    public var bytesToTarget: UInt64
    /// Application bytes towards the client since the start.
    public var bytesToClient: UInt64
    /// The same by reason (`RefusalReason`); reasons that never occurred are absent. Nil of a gateway that does not say, as the two that
    /// follow.
    public var refusals: [String: UInt64]?
    /// At the destination of a TCP tunnel that has a target: how long it took to accept.
    public var connectTimes: ConnectTimes?
    /// At the origin: how often a destination failed since the start while another could serve.
    public var failovers: UInt64?
    /// Why the last refused connection or activation failed; nil when none did.
    public var lastError: String?
    /// The configured rate of what this end sends, in bits per second; nil without one, as the two that follow.
    public var rateBitsPerSecond: UInt64?
    /// How often this end stopped sending since the start because of the rate.
    public var rateWaits: UInt64?
    /// For how long in all something waited at this end because of the rate, in milliseconds.
    public var rateWaitMilliseconds: UInt64?
    /// After how long without a byte this end resets a connection, in seconds; nil for never.
    public var idleTimeoutSeconds: Double?
    /// At the destination: true when the target is told who the client is; else nil.
    public var proxyProtocol: Bool?
    /// Of a UDP tunnel, whose connections are its flows: datagrams dropped at this end since the start, by reason; reasons that
    /// never occurred are absent. Nil for TCP.
    public var datagramsDropped: [String: UInt64]?
    /// How connections that begin now are compressed; nil when they are not, also because the other end does not want it.
    public var compression: String?

    /// At the origin: the destinations, in the order of the configuration.
    public var destinations: [DestinationStatus]?
    /// At the destination: what is known of the target.
    public var health: TargetHealthStatus?

    /// A value from its parts.
    public init(
        name: String, role: Role, state: State, listen: [String] = [], target: String? = nil, openConnections: Int = 0,
        totalConnections: UInt64 = 0, refusedConnections: UInt64 = 0, bytesToTarget: UInt64 = 0,
        bytesToClient: UInt64 = 0, lastError: String? = nil, rateBitsPerSecond: UInt64? = nil, rateWaits: UInt64? = nil,
        rateWaitMilliseconds: UInt64? = nil
    ) {
        self.name = name
        self.role = role
        self.state = state
        self.listen = listen
        self.target = target
        self.openConnections = openConnections
        self.totalConnections = totalConnections
        self.refusedConnections = refusedConnections
        self.bytesToTarget = bytesToTarget
        self.bytesToClient = bytesToClient
        self.lastError = lastError
        self.rateBitsPerSecond = rateBitsPerSecond
        self.rateWaits = rateWaits
        self.rateWaitMilliseconds = rateWaitMilliseconds
    }

    /// Why connections through it fail now, in a sentence that says what to do; nil when nothing is known to be wrong.
    public var problem: String? {
        guard state == .active else {
            let reason = lastError.map { ": \($0.onOneLine)" } ?? ""
            return "tunnel \(name) is \(state.rawValue)\(reason)"
        }
        if let health, health.state == .down {
            let reason = health.reason.map { " (\($0.onOneLine))" } ?? ""
            return "tunnel \(name): its target \(target ?? "") is down\(reason): start it, or look at its check"
        }
        guard let destinations, destinations.contains(where: { $0.state == .down }),
            destinations.allSatisfy({ $0.state.isOutOfUse })
        else { return nil }
        let each = destinations.map { destination in
            let reason = destination.reason.map { " (\($0.onOneLine))" } ?? ""
            return destination.state == .down
                ? "the target of \(destination.gateway) is down\(reason)"
                : "\(destination.gateway) is \(destination.state.rawValue)"
        }
        return "tunnel \(name) leads nowhere: \(each.joined(separator: ", ")): start a target"
    }

    /// Takes in what another event loop of the gateway has of the same tunnel.
    mutating func add(_ other: TunnelStatus) {
        if other.state == .active || state == .waiting { state = other.state }
        openConnections += other.openConnections
        totalConnections &+= other.totalConnections
        refusedConnections &+= other.refusedConnections
        refusals = refusals.map { $0.merging(other.refusals ?? [:], uniquingKeysWith: &+) }
        if let theirs = other.connectTimes { connectTimes?.add(theirs) }
        failovers = failovers.map { $0 &+ (other.failovers ?? 0) }
        bytesToTarget &+= other.bytesToTarget
        bytesToClient &+= other.bytesToClient
        rateWaits = rateWaits.map { $0 &+ (other.rateWaits ?? 0) }
        rateWaitMilliseconds = rateWaitMilliseconds.map { $0 &+ (other.rateWaitMilliseconds ?? 0) }
        lastError = lastError ?? other.lastError
        datagramsDropped = datagramsDropped.map { $0.merging(other.datagramsDropped ?? [:], uniquingKeysWith: &+) }
        compression = compression ?? other.compression
        // Each event loop that has an origin checks for itself; the worst of what they found is what there is to know.
        if let theirs = other.health, health?.state ?? .unknown == .unknown || theirs.state == .down { health = theirs }
    }

    private enum CodingKeys: String, CodingKey {
        case name, role, state, listen, target, compression, destinations, health, refusals, failovers
        case connectTimes = "connect_times"
        case openConnections = "open_connections"
        case totalConnections = "total_connections"
        case refusedConnections = "refused_connections"
        case bytesToTarget = "bytes_to_target"
        case bytesToClient = "bytes_to_client"
        case lastError = "last_error"
        case rateBitsPerSecond = "rate_bits_per_second"
        case rateWaits = "rate_waits"
        case rateWaitMilliseconds = "rate_wait_ms"
        case idleTimeoutSeconds = "idle_timeout_seconds"
        case proxyProtocol = "proxy_protocol"
        case networkProtocol = "protocol"
        case datagramsDropped = "datagrams_dropped"
    }
}
