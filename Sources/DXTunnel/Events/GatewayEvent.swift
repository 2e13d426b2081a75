/// Something that happened to a gateway, for who watches it: a dashboard, `dxgateway events`, an embedding program.
///
/// What becomes of connections is in the audit records; here refusals stand together, as anybody may bring them about.
public enum GatewayEvent: Sendable, Hashable {
    /// A channel to a peer is up.
    case peerUp(peer: String, path: PathKind, address: String?)
    /// It ended: why.
    case peerDown(peer: String, reason: String)
    /// A peer does not answer: new connections go elsewhere, open ones wait.
    case peerSilent(peer: String)
    /// It answers again.
    case peerHeard(peer: String)
    /// A peer is at another address.
    case peerMoved(peer: String, from: String, to: String)
    /// A peer is reached through another member.
    case peerForwarded(peer: String, through: String)
    /// One of several paths to a peer answers again.
    case pathUp(peer: String, address: String)
    /// It does not.
    case pathDown(peer: String, address: String)
    /// At a destination: the target takes connections, or does not, or nobody knows.
    case targetHealth(tunnel: String, state: TargetHealthStatus.State, reason: String?)
    /// At an origin: a destination can be expected to serve, or not any more.
    case destinationHealth(tunnel: String, destination: String, isUsable: Bool, reason: String?)
    /// The gateway has other peers or tunnels; the revision of the group's configuration.
    case configurationChanged(revision: UInt64)
    /// It takes no new connections, or takes them again.
    case draining(Bool)
    /// Connections of a tunnel were refused since this was said last.
    case connectionsRefused(tunnel: String, reason: RefusalReason, count: UInt64)
    /// What the log warns of, within the same limits.
    case warning(message: String, details: [String: String])
}

/// An event as the control API sends it.
///
/// JSON: keys that do not belong to its kind are left out.
public struct GatewayEventRecord: Sendable, Hashable, Codable {
    /// The kinds of events.
    public enum Kind: String, Sendable, Hashable, CaseIterable, Codable {
        case peerUp = "peer_up"
        case peerDown = "peer_down"
        case peerSilent = "peer_silent"
        case peerHeard = "peer_heard"
        case peerMoved = "peer_moved"
        case peerForwarded = "peer_forwarded"
        case pathUp = "path_up"
        case pathDown = "path_down"
        case targetHealth = "target_health"
        case destinationHealth = "destination_health"
        case configurationChanged = "configuration_changed"
        case draining
        case connectionsRefused = "connections_refused"
        case warning
        /// No event: so many, `count`, are missing here, as they came faster than they were read, or longer ago than they are kept; without a
        /// count the gateway was started anew.
        case lost
    }

    /// The version of this layout.
    public var schema = GatewayStatus.schema
    /// Its place: `RUN-NUMBER`, where RUN is another one after each start and numbers rise by one. Nil of `lost`.
    public var id: String?
    /// When it happened; of `lost`, when that was noticed.
    public var time: Timestamp
    /// What.
    public var event: Kind
    /// Of which peer.
    public var peer: String?
    /// Of which tunnel; empty where tunnels are too many to tell apart.
    public var tunnel: String?
    /// Of which destination.
    public var destination: String?
    /// What kind of path.
    public var path: PathKind?
    /// Which address, of a peer that moved the new one.
    public var address: String?
    /// Of a peer that moved: the old address.
    public var from: String?
    /// Through which member.
    public var through: String?
    /// `up`, `down` or `unknown`; of draining `on` or `off`.
    public var state: String?
    /// Why.
    public var reason: String?
    /// How many.
    public var count: UInt64?
    /// Of the group's configuration.
    public var revision: UInt64?
    /// The words of a warning.
    public var message: String?
    /// What belongs to it.
    public var details: [String: String]?

    /// A record of `event`.
    init(_ event: GatewayEvent, id: String, time: Timestamp) {
        self.init(kind: Kind(event), id: id, time: time)
        switch event {
        case .peerUp(let peer, let path, let address): (self.peer, self.path, self.address) = (peer, path, address)
        case .peerDown(let peer, let reason): (self.peer, self.reason) = (peer, reason)
        case .peerSilent(let peer), .peerHeard(let peer): self.peer = peer
        case .peerMoved(let peer, let from, let to): (self.peer, self.from, address) = (peer, from, to)
        case .peerForwarded(let peer, let through): (self.peer, self.through) = (peer, through)
        case .pathUp(let peer, let address), .pathDown(let peer, let address):
            (self.peer, self.address) = (peer, address)
        case .targetHealth(let tunnel, let state, let reason):
            (self.tunnel, self.state, self.reason) = (tunnel, state.rawValue, reason)
        case .destinationHealth(let tunnel, let destination, let isUsable, let reason):
            (self.tunnel, self.destination, self.reason) = (tunnel, destination, reason)
            state = isUsable ? "up" : "down"
        case .configurationChanged(let revision): self.revision = revision
        case .draining(let isDraining): state = isDraining ? "on" : "off"
        case .connectionsRefused(let tunnel, let reason, let count):
            (self.tunnel, self.reason, self.count) = (tunnel, reason.rawValue, count)
        case .warning(let message, let details): (self.message, self.details) = (message, details)
        }
    }

    /// So many events are missing here; nil: the gateway was started anew.
    public init(lost count: UInt64?, time: Timestamp = .now()) {
        self.init(kind: .lost, id: nil, time: time)
        self.count = count
    }

    private init(kind: Kind, id: String?, time: Timestamp) {
        event = kind
        self.id = id
        self.time = time
    }
}

extension GatewayEventRecord.Kind {
    init(_ event: GatewayEvent) {
        self =
            switch event {
            case .peerUp: .peerUp
            case .peerDown: .peerDown
            case .peerSilent: .peerSilent
            case .peerHeard: .peerHeard
            case .peerMoved: .peerMoved
            case .peerForwarded: .peerForwarded
            case .pathUp: .pathUp
            case .pathDown: .pathDown
            case .targetHealth: .targetHealth
            case .destinationHealth: .destinationHealth
            case .configurationChanged: .configurationChanged
            case .draining: .draining
            case .connectionsRefused: .connectionsRefused
            case .warning: .warning
            }
    }
}
