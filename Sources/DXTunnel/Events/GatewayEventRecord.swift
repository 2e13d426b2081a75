/// An event as the control API sends it.
///
/// JSON: keys that do not belong to its kind are left out.
public struct GatewayEventRecord: Sendable, Hashable, Codable {
    /// The kinds of events.
    public enum Kind: String, Sendable, Hashable, CaseIterable, Codable {
        /// A channel to a peer is up.
        case peerUp = "peer_up"
        /// It ended.
        case peerDown = "peer_down"
        /// A peer does not answer.
        case peerSilent = "peer_silent"
        /// It answers again.
        case peerHeard = "peer_heard"
        /// A peer is at another address.
        case peerMoved = "peer_moved"
        /// A peer is reached through another member.
        case peerForwarded = "peer_forwarded"
        /// One of several paths answers again.
        case pathUp = "path_up"
        /// It does not.
        case pathDown = "path_down"
        /// A target takes connections, or does not.
        case targetHealth = "target_health"
        /// A destination can be expected to serve, or not.
        case destinationHealth = "destination_health"
        /// The gateway has other peers or tunnels.
        case configurationChanged = "configuration_changed"
        /// It takes no new connections, or takes them again.
        case draining
        /// Connections were refused.
        case connectionsRefused = "connections_refused"
        /// What the log warns of.
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
