/// What an operator asks for: an invitation, or many alike.
public struct InviteRequest: Codable, Hashable, Sendable {
    /// What the member is called; nil leaves it to the gateway that joins. Not with a count above 1.
    public var name: String?
    /// `key=value`, at most 32.
    public var labels: [String]?
    /// `member` (when absent), `forwarder` or `admin`. An admin needs the root key to be here when it joins.
    public var role: String?
    /// For how long, in seconds, at most a year; a day when absent.
    public var ttlSeconds: Int?
    /// How many tokens, 1 to 1,000; 1 when absent.
    public var count: Int?
    /// The id of the only gateway that may use it.
    public var gateway: String?
    /// The member whose new hardware may use it: it gets that one's name, labels, role and tunnels, and the old hardware is
    /// out from then on. Not with a name, labels, a role or a count.
    public var replaces: String?
    /// The admin that makes it, and that the gateway which joins must reach; this one when absent. With another one at most 100
    /// tokens.
    public var at: String?

    /// A request from its parts.
    public init(
        name: String? = nil, labels: [String]? = nil, role: String? = nil, ttlSeconds: Int? = nil, count: Int? = nil,
        gateway: String? = nil, replaces: String? = nil, at: String? = nil
    ) {
        self.name = name
        self.labels = labels
        self.role = role
        self.ttlSeconds = ttlSeconds
        self.count = count
        self.gateway = gateway
        self.replaces = replaces
        self.at = at
    }

    private enum CodingKeys: String, CodingKey {
        case name, labels, role, count, gateway, replaces, at
        case ttlSeconds = "ttl_s"
    }
}

/// An invitation, for whoever made it.
public struct Invitation: Codable, Hashable, Sendable {
    /// 16 hexadecimal digits, by which it can be revoked. Tells nothing of the token.
    public var id: String
    /// The token; only in the answer to its making.
    public var token: String?
    /// What the member will be called, or is.
    public var name: String?
    /// `key=value`, in order.
    public var labels: [String]
    /// Until when it can be used, by this gateway's calendar.
    public var expires: Timestamp
    /// The id of the gateway that used it; nil when none has.
    public var usedBy: String?
    /// Matchmakers of the group, `HOST:PORT`, for which the token has no room; nil when there are none, where there is no token, and
    /// in all but the first of those that were made together.
    public var leftOut: [String]?

    private enum CodingKeys: String, CodingKey {
        case id, token, name, labels, expires
        case usedBy = "used_by"
        case leftOut = "left_out"
    }
}

/// What is to change of a member; what is absent stays.
public struct MemberChange: Codable, Hashable, Sendable {
    /// Its new name.
    public var name: String?
    /// `key=value`: takes the place of what the member has of that key.
    public var labels: [String]?
    /// Keys of labels that go.
    public var removeLabels: [String]?
    /// `member`, `forwarder` or `admin`. To and from admin needs the root key to be here.
    public var role: String?

    /// A change from its parts.
    public init(
        name: String? = nil, labels: [String]? = nil, removeLabels: [String]? = nil, role: String? = nil
    ) {
        self.name = name
        self.labels = labels
        self.removeLabels = removeLabels
        self.role = role
    }

    private enum CodingKeys: String, CodingKey {
        case name, labels, role
        case removeLabels = "remove_labels"
    }
}

/// A tunnel as operators write it.
public struct TunnelRequest: Codable, Hashable, Sendable {
    /// Its name; one that is there already is changed.
    public var name: String
    /// `GATEWAY@ADDRESS`, where GATEWAY is a member's name or `label:key=value`, and ADDRESS `HOST:PORT`, `HOST:FIRST-LAST` or
    /// `unix:/PATH`; behind this `,mode=0660` says who may connect, its owner alone when absent.
    public var origins: [String]
    /// `GATEWAY@ADDRESS`, with `,weight=N` and `,order=N` behind it where there are several.
    public var destinations: [String]
    /// From where clients may connect (`192.0.2.0/24`); everywhere when absent.
    public var allow: [String]?
    /// 1 to 256.
    public var share: Int?
    /// `interactive`, or `bulk` when absent.
    public var schedulingClass: String?
    /// How many connections may be open at once, 1 to 65,536.
    public var maximumConnections: Int?
    /// Bits a second.
    public var rate: UInt64?
    /// `udp`, or `tcp` when absent. That of a tunnel which is there cannot be changed.
    public var networkProtocol: String?
    /// After how many seconds without a byte a connection is reset, 1 to 604,800, never when absent; a flow of a UDP tunnel ends,
    /// after 60 when absent.
    public var idleSeconds: Int?
    /// Whether the target is told who the client is, by version 2 of the PROXY protocol; not when absent.
    public var proxyProtocol: Bool?
    /// `deflate`; none when absent.
    public var compression: String?
    /// How the destinations check their targets: `tcp`, `http:/path`, `http:/path=204` (that status alone), `command:NAME` (of the
    /// destination's own `health_commands`); by the connections alone when absent.
    public var health: String?
    /// From one check to the next, in milliseconds: 100 to 3,600,000; 5,000 when absent.
    public var healthIntervalMilliseconds: Int?
    /// How long a check may take, in milliseconds: 50 to 60,000; 2,000 when absent.
    public var healthTimeoutMilliseconds: Int?
    /// Successes in a row that make a target up again, 1 to 100; 2 when absent.
    public var healthRise: Int?
    /// Failures in a row that make it down, 1 to 100; 2 when absent.
    public var healthFall: Int?
    /// Whether a client's address always leads to the same destination.
    public var sticky: Bool?
    /// When a destination that failed is used again: a number of milliseconds, up to 3,600,000, for which it has been well, or
    /// `manual`; 30,000 when absent.
    public var failback: String?
    /// For how many seconds connections are kept while the other gateway is silent, 1 to 86,400; no longer than others when absent.
    public var holdSeconds: Int?
    /// When it ends; never when absent.
    public var until: Timestamp?
    /// For how many seconds it holds unless it is confirmed, 5 to 86,400; then what was there before holds again. For good when
    /// absent.
    public var confirmSeconds: Int?

    /// A tunnel from its parts.
    public init(
        name: String, origins: [String], destinations: [String], allow: [String]? = nil, share: Int? = nil,
        schedulingClass: String? = nil, maximumConnections: Int? = nil, rate: UInt64? = nil,
        networkProtocol: String? = nil, idleSeconds: Int? = nil, proxyProtocol: Bool? = nil,
        compression: String? = nil, until: Timestamp? = nil, confirmSeconds: Int? = nil
    ) {
        self.name = name
        self.origins = origins
        self.destinations = destinations
        self.allow = allow
        self.share = share
        self.schedulingClass = schedulingClass
        self.maximumConnections = maximumConnections
        self.rate = rate
        self.networkProtocol = networkProtocol
        self.idleSeconds = idleSeconds
        self.proxyProtocol = proxyProtocol
        self.compression = compression
        self.until = until
        self.confirmSeconds = confirmSeconds
    }

    private enum CodingKeys: String, CodingKey {
        case name, origins, destinations, allow, share, rate, compression, until, health, sticky, failback
        case healthIntervalMilliseconds = "health_interval_ms"
        case healthTimeoutMilliseconds = "health_timeout_ms"
        case healthRise = "health_rise"
        case healthFall = "health_fall"
        case holdSeconds = "hold_s"
        case confirmSeconds = "confirm_s"
        case networkProtocol = "protocol"
        case idleSeconds = "idle_timeout_s"
        case proxyProtocol = "proxy_protocol"
        case schedulingClass = "class"
        case maximumConnections = "max_connections"
    }
}

/// A tunnel as the group has it.
public struct GroupTunnel: Codable, Hashable, Sendable {
    /// What it is; in the form in which it could be asked for again.
    public var definition: TunnelRequest
    /// Whether it is used.
    public var enabled: Bool
    /// The group's revision since which it is so.
    public var revision: UInt64
    /// The name of whoever said so.
    public var by: String
    /// Whether it waits to be confirmed; nil when it need not.
    public var trial: Trial?

    /// What becomes of a change that is to be confirmed, at the gateway that answers.
    public struct Trial: Codable, Hashable, Sendable {
        /// Whether the change holds; else what was there before does.
        public var holds: Bool
        /// For how many seconds it still holds.
        public var secondsLeft: Int

        private enum CodingKeys: String, CodingKey {
            case holds
            case secondsLeft = "left_s"
        }
    }
}

/// A member of the group, as one of them sees it.
public struct GroupMember: Codable, Hashable, Sendable {
    /// Its name.
    public var name: String
    /// Its gateway id.
    public var gateway: String
    /// `member`, `forwarder`, or `admin`, which may sign for the group.
    public var role: String
    /// Whether it may.
    public var admin: Bool
    /// Whether it is the gateway that answers.
    public var thisGateway: Bool
    /// Whether there is a channel between the two.
    public var connected: Bool
    /// `key=value`, in order.
    public var labels: [String]
    /// Where it says that it is.
    public var addresses: [String]
    /// Whether it is there, as all members together know it.
    public var presence: Presence

    /// What is known of whether a member is there. At most a minute old.
    public struct Presence: Codable, Hashable, Sendable {
        /// Whether it can be reached over the group's channels.
        public var online = false
        /// Over how many channels; 0 for the gateway that answers.
        public var hops: Int?
        /// When it was heard last, of one that is not online; nil when nobody knows.
        public var lastSeen: Timestamp?
        /// The version of its program; nil when it has not said.
        public var version: String?
        /// The kind of the path to it; nil without a channel between the two.
        public var path: PathKind?
        /// Up to which epoch it has followed the group, and so heard of removals.
        public var epoch: UInt64?
        /// Members that see two gateways with its key, by name.
        public var twiceAt: [String] = []

        private enum CodingKeys: String, CodingKey {
            case online, hops, version, path, epoch
            case lastSeen = "last_seen"
            case twiceAt = "twice_at"
        }
    }

    private enum CodingKeys: String, CodingKey {
        case name, gateway, role, admin, connected, labels, addresses, presence
        case thisGateway = "this_gateway"
    }
}

/// What became of a change.
public struct GroupChange: Codable, Hashable, Sendable {
    /// The group's revision now.
    public var revision: UInt64
    /// After a removal: members that have not said within five seconds that they heard of it, by name; most of them are off.
    public var notAcknowledged: [String]
    /// What was changed, one sentence each, where the request did not say.
    public var changed: [String]

    /// A change that led to that revision.
    public init(revision: UInt64, notAcknowledged: [String] = [], changed: [String] = []) {
        self.revision = revision
        self.notAcknowledged = notAcknowledged
        self.changed = changed
    }

    private enum CodingKeys: String, CodingKey {
        case revision, changed
        case notAcknowledged = "not_acknowledged"
    }
}
