/// What became of one tunnelled connection, or of one flow of a UDP tunnel, at this gateway; or that one was refused.
///
/// Says who and how much, never what: no byte of a connection, no secret.
public struct AuditRecord: Sendable, Hashable {
    /// How it ended.
    public enum End: String, Sendable, Hashable, CaseIterable, Codable {
        /// Both sides ended it in good order.
        case closed
        /// The client reset it, or went away.
        case resetByClient = "reset_by_client"
        /// The target did.
        case resetByTarget = "reset_by_target"
        /// It was never made; `reason` says why.
        case refused
        /// Nothing came or went for the tunnel's idle time; or, at the limit, another flow took its place.
        case idle
        /// The channel to the other gateway ended.
        case channelLost = "channel_lost"
        /// The tunnel was removed or changed.
        case tunnelChanged = "tunnel_changed"
        /// A flow goes on at another destination: this one is silent, about to stop or without its target.
        case moved
        /// This gateway was stopped.
        case gatewayStopping = "gateway_stopping"
        /// No connection: so many records, `count`, were left out, as there were too many at a time.
        case leftOut = "left_out"
    }

    /// When it ended.
    public var time: Timestamp
    /// The tunnel; empty where nobody knows.
    public var tunnel: String
    /// Which end this gateway was.
    public var role: TunnelStatus.Role
    /// What it carried.
    public var networkProtocol: GatewayConfiguration.NetworkProtocol
    /// The other gateway; nil where there was none yet.
    public var peer: String?
    /// The client's address and port. At the destination only where streams begin with a head that says it: in tunnels with the
    /// PROXY protocol or a range of ports.
    public var client: String?
    /// At the destination: the target.
    public var target: String?
    /// When it began.
    public var start: Timestamp
    /// For how long it was open, in milliseconds.
    public var durationMilliseconds: UInt64
    /// Application bytes towards the target.
    public var bytesToTarget: UInt64
    /// Application bytes towards the client.
    public var bytesToClient: UInt64
    /// How it ended.
    public var end: End
    /// Why it was refused.
    public var reason: String?
    /// How many records were left out.
    public var count: UInt64?

    /// A record of something that took no time and carried nothing.
    public init(
        time: Timestamp, tunnel: String, role: TunnelStatus.Role,
        networkProtocol: GatewayConfiguration.NetworkProtocol = .tcp, peer: String? = nil, client: String? = nil,
        target: String? = nil, end: End, reason: String? = nil
    ) {
        self.time = time
        self.tunnel = tunnel
        self.role = role
        self.networkProtocol = networkProtocol
        self.peer = peer
        self.client = client
        self.target = target
        start = time
        durationMilliseconds = 0
        bytesToTarget = 0
        bytesToClient = 0
        self.end = end
        self.reason = reason
    }
}

extension AuditRecord: Codable {
    private enum CodingKeys: String, CodingKey {
        case time, tunnel, role, peer, client, target, start, end, reason, count
        case networkProtocol = "protocol"
        case durationMilliseconds = "duration_ms"
        case bytesToTarget = "bytes_to_target"
        case bytesToClient = "bytes_to_client"
    }
}
