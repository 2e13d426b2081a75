// Exported, so that a program that embeds a gateway imports DXTunnel and nothing else.
@_exported public import struct DXWire.GatewayID

/// All that a gateway needs to know: who it is, whom it trusts, and which micro-tunnels exist.
///
/// A plain value, so that an embedding program needs no file. It may hold nonsense until `validate()` says otherwise;
/// `Gateway` refuses what does not validate.
public struct GatewayConfiguration: Sendable, Hashable {
    /// This gateway's name, by which tunnels refer to it: 1 to 63 letters, digits, `.`, `-` and `_`, the first one a
    /// letter or a digit.
    public var name: String
    /// The key that this gateway proves to be.
    public var identity: IdentitySource
    /// The veil secrets, the first one for sending, all for receiving: one, or two while one replaces the other.
    public var veils: [VeilSource]
    /// The UDP address of this gateway. An empty host is IPv4 and IPv6; port 0 is a random free port.
    public var listen: HostAddress
    /// The path of the control socket; nil for none.
    public var controlPath: String?
    /// The other gateways that this one trusts.
    public var peers: [Peer]
    /// The micro-tunnels that this gateway is an end of. Both ends list a tunnel.
    public var tunnels: [Tunnel]
    /// What the gateway may use at most.
    public var limits: Limits
    /// The programs that check targets, by the names that tunnels call them by (`HealthCheck.Kind.command`).
    public var healthCommands: [String: HealthCommand] = [:]
    /// Which interfaces carry paths to peers.
    public var paths: PathRules
    /// What is kept of connections that went through; in memory, as a gateway without a group has no state directory.
    public var audit = AuditSettings()
    /// Where the program serves figures; an embedded gateway serves none itself.
    public var metrics = MetricsPlace.standard

    /// A configuration from its parts.
    public init(
        name: String, identity: IdentitySource, veils: [VeilSource],
        listen: HostAddress = HostAddress(host: "", port: 0),
        controlPath: String? = nil, peers: [Peer] = [], tunnels: [Tunnel] = [], limits: Limits = Limits(),
        paths: PathRules = PathRules()
    ) {
        self.name = name
        self.identity = identity
        self.veils = veils
        self.listen = listen
        self.controlPath = controlPath
        self.peers = peers
        self.tunnels = tunnels
        self.limits = limits
        self.paths = paths
    }

    /// Another gateway, pinned by its key.
    public struct Peer: Sendable, Hashable {
        /// The name by which tunnels and operators refer to it.
        public var name: String
        /// Its gateway id, the hash of its public key.
        public var id: GatewayID
        /// Where it can be called, tried in order; none when it is the one that calls.
        public var addresses: [HostAddress]
        /// How fast to send to it.
        public var congestion: CongestionControl

        /// A peer from its parts.
        public init(
            name: String, id: GatewayID, addresses: [HostAddress] = [], congestion: CongestionControl = .automatic
        ) {
            self.name = name
            self.id = id
            self.addresses = addresses
            self.congestion = congestion
        }
    }

    /// The congestion control towards a peer: how it is found out what the network between carries.
    public enum CongestionControl: String, Sendable, Hashable, CaseIterable {
        /// CUBIC, and BBR while the path loses packets by chance or stands behind a long queue.
        case automatic
        /// CUBIC (RFC 9438) alone, which takes every loss for a full queue, as most hosts do.
        case cubic
        /// BBR (draft-ietf-ccwg-bbr) alone, which measures rate and round trip.
        case bbr
    }

    /// A named right for given origins to reach one target.
    public struct Tunnel: Sendable, Hashable {
        /// The name, the same at both ends, of the same form as a gateway's.
        public var name: String
        /// Where applications connect.
        public var origins: [Origin]
        /// Where connections come out, in order of preference.
        public var destinations: [Destination]
        /// How the tunnel's bytes are scheduled among others.
        public var schedulingClass: SchedulingClass
        /// The tunnel's weight within its class, 1 to 256.
        public var share: Int
        /// How many connections may be open at once at this gateway, 1 to 65,536. One more is refused with a reset.
        public var maximumConnections: Int
        /// The most that this gateway sends of the tunnel's connections, all together, in bits of application data per
        /// second: 8,000 to 100,000,000,000. The other end limits the other direction, by its own configuration. Nil for no
        /// limit but the network's.
        public var maximumRate: UInt64?
        /// What it carries: connections, or datagrams.
        public var networkProtocol = NetworkProtocol.tcp
        /// How the destination finds out whether the target takes connections; nil leaves it to the connections themselves.
        public var healthCheck: HealthCheck?
        /// Whether a client's address always leads to the same of several destinations of one order, while that one serves.
        public var isSticky = false
        /// When a destination that failed is used again though another one serves; nil: once it has been well for 30 s.
        public var failback: Failback?
        /// For how long open connections are kept while the other gateway is silent, if that is longer than `Limits.liveness`: up to
        /// a day. Both gateways must say it.
        public var hold: Duration?
        /// What the two gateways call it; nil: its name. In a group its id, which stays when it is renamed.
        var wireName: String?
        /// From where clients may connect to this gateway's TCP addresses, at most 256; empty: from anywhere. Who may connect to a
        /// unix socket the mode of its file says.
        public var allowed: [AddressRange] = []
        /// A connection of which no byte came or went for so long is reset at both ends, 1 second to a week; nil: never. A flow of a
        /// UDP tunnel ends; nil: after 60 seconds.
        public var idleTimeout: Duration?
        /// Whether the destination tells the target who the client is, before all else (PROXY protocol version 2).
        public var proxyProtocol = false
        /// How the bytes of each connection are made fewer on their way, if both ends want it; nil: not at all.
        public var compression: Compression?

        /// A tunnel from its parts.
        public init(
            name: String, origins: [Origin], destinations: [Destination], schedulingClass: SchedulingClass = .bulk,
            share: Int = defaultShare, maximumConnections: Int = defaultMaximumConnections,
            maximumRate: UInt64? = nil
        ) {
            self.name = name
            self.origins = origins
            self.destinations = destinations
            self.schedulingClass = schedulingClass
            self.share = share
            self.maximumConnections = maximumConnections
            self.maximumRate = maximumRate
        }

        /// The weight when none is given: low, so that a tunnel can be raised up to 16 times over its neighbours and
        /// lowered to a sixteenth.
        public static let defaultShare = 16
        /// The connections when no number is given: more than one application needs, few enough that a leak shows.
        public static let defaultMaximumConnections = 1_024
        /// Shorter ones would end what only waits for an answer; longer ones do not happen.
        static let idleTimeouts: ClosedRange<Duration> = .seconds(1)...(.seconds(604_800))
    }

    /// What a tunnel carries.
    public enum NetworkProtocol: String, Sendable, Hashable, CaseIterable, Codable {
        /// Connections: every byte arrives, in order.
        case tcp
        /// Datagrams, each at most once, as UDP does; those of one client are a flow.
        case udp
    }

    /// When a destination that failed is used again though another one serves.
    public enum Failback: Sendable, Hashable {
        /// When it has been well for so long, 0 to one hour; after each further failure within ten minutes for twice as long.
        case after(Duration)
        /// When an operator says so (`dxgateway tunnel failback`).
        case manual
    }

    /// The origin end of a tunnel.
    public struct Origin: Sendable, Hashable {
        /// The name of the gateway.
        public var gateway: String
        /// Where that gateway listens; an empty host is every address, port 0 a random free one. Nil when connections come
        /// from the embedding program alone, by `Gateway.dial`.
        public var address: TunnelAddress?
        /// Who may connect to a unix socket: the permissions of its file, at most 0o777; nil for 0o600, its owner alone.
        public var socketMode: UInt16?

        /// An origin that listens at one TCP address, or at none.
        public init(gateway: String, listen: HostAddress? = nil) {
            self.init(gateway: gateway, address: listen.map { .tcp($0) })
        }

        /// An origin from its parts.
        public init(gateway: String, address: TunnelAddress?, socketMode: UInt16? = nil) {
            self.gateway = gateway
            self.address = address
            self.socketMode = socketMode
        }

        /// The TCP address, of a range its first port's; nil where there is none. To set one makes it the only one.
        public var listen: HostAddress? {
            get { address?.host }
            set { address = newValue.map { .tcp($0) } }
        }
    }

    /// The destination end of a tunnel.
    public struct Destination: Sendable, Hashable {
        /// The name of the gateway.
        public var gateway: String
        /// To where that gateway connects. Of a range the port whose place in it is that of the origin's. Nil at the origin,
        /// which need not know, and when the embedding program itself is the target, by `Gateway.serve`.
        public var address: TunnelAddress?
        /// Lower ones first; nil for the place in the list.
        public var order: UInt64?
        /// Of those of one order, the part of the connections that it gets.
        public var weight: UInt64

        /// A destination with one TCP address, or none.
        public init(gateway: String, target: HostAddress? = nil, order: UInt64? = nil, weight: UInt64 = 1) {
            self.init(gateway: gateway, address: target.map { .tcp($0) }, order: order, weight: weight)
        }

        /// A destination from its parts.
        public init(gateway: String, address: TunnelAddress?, order: UInt64? = nil, weight: UInt64 = 1) {
            self.gateway = gateway
            self.address = address
            self.order = order
            self.weight = weight
        }

        /// The TCP address, of a range its first port's; nil where there is none. To set one makes it the only one.
        public var target: HostAddress? {
            get { address?.host }
            set { address = newValue.map { .tcp($0) } }
        }
    }

    /// How the bytes of a connection are made fewer.
    public enum Compression: String, Sendable, Hashable, CaseIterable {
        /// DEFLATE (RFC 1951), each direction of each connection by itself, so that what two connections carry never meets.
        case deflate
    }

    /// How a tunnel's bytes are scheduled among others of the same channel.
    public enum SchedulingClass: String, Sendable, Hashable, CaseIterable {
        /// Before all bulk bytes: for shells, queries, control.
        case interactive
        /// In turn with other bulk tunnels, by share.
        case bulk
    }

    /// What the gateway may use at most.
    public struct Limits: Sendable, Hashable {
        /// Bytes of buffered tunnel data in all, 4 MiB to 64 GiB. At the limit flow control stops the senders.
        public var memoryBytes: Int
        /// Tunnelled connections open at once in all, 1 to 65,536. One more is refused with a reset.
        public var connections: Int
        /// How long a destination waits for its target to accept, 1 to 300 seconds. Then the client sees a reset.
        public var connectTimeout: Duration
        /// The kernel buffer asked for on each UDP socket, each way, 64 KiB to 256 MiB. The kernel may give less;
        /// status says what was got.
        public var socketBufferBytes: Int
        /// How many event loops, each with a thread, 1 to 16; nil is one for each core. No more than there are peers, as all
        /// that goes to one peer stays on one loop.
        public var threads: Int?
        /// How long a peer may be silent before its open connections end, 5 seconds to one hour; the smaller of both ends' counts.
        public var liveness: Duration = .seconds(60)
        /// How long open connections have when the gateway is told to stop, 0 to one hour.
        public var drainTimeout: Duration = .seconds(30)
        /// How long open connections may go on in the earlier start when the gateway is restarted without a break, 0 s to 24 h.
        public var restartTimeout: Duration = .seconds(3_600)

        /// Limits from their parts, each with a default.
        public init(
            memoryBytes: Int = 64 << 20, connections: Int = 4_096, connectTimeout: Duration = .seconds(10),
            socketBufferBytes: Int = 4 << 20, threads: Int? = nil
        ) {
            self.memoryBytes = memoryBytes
            self.connections = connections
            self.connectTimeout = connectTimeout
            self.socketBufferBytes = socketBufferBytes
            self.threads = threads
        }
    }
}
