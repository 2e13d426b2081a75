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
    /// At an origin: a destination says that its target is down, so that it cannot be expected to serve, or that it is so no more. What is
    /// of the peer itself is said of the peer alone.
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
