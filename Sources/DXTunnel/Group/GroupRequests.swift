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

    /// A request from its parts.
    public init(
        name: String? = nil, labels: [String]? = nil, role: String? = nil, ttlSeconds: Int? = nil, count: Int? = nil,
        gateway: String? = nil
    ) {
        self.name = name
        self.labels = labels
        self.role = role
        self.ttlSeconds = ttlSeconds
        self.count = count
        self.gateway = gateway
    }

    private enum CodingKeys: String, CodingKey {
        case name, labels, role, count, gateway
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

    private enum CodingKeys: String, CodingKey {
        case id, token, name, labels, expires
        case usedBy = "used_by"
    }
}

/// A tunnel as operators write it.
public struct TunnelRequest: Codable, Hashable, Sendable {
    /// Its name; one that is there already is changed.
    public var name: String
    /// `GATEWAY@HOST:PORT`, where GATEWAY is a member's name or `label:key=value`.
    public var origins: [String]
    /// `GATEWAY@HOST:PORT`, with `,weight=N` and `,order=N` behind it where there are several.
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
    /// When it ends; never when absent.
    public var until: Timestamp?

    /// A tunnel from its parts.
    public init(
        name: String, origins: [String], destinations: [String], allow: [String]? = nil, share: Int? = nil,
        schedulingClass: String? = nil, maximumConnections: Int? = nil, rate: UInt64? = nil, until: Timestamp? = nil
    ) {
        self.name = name
        self.origins = origins
        self.destinations = destinations
        self.allow = allow
        self.share = share
        self.schedulingClass = schedulingClass
        self.maximumConnections = maximumConnections
        self.rate = rate
        self.until = until
    }

    private enum CodingKeys: String, CodingKey {
        case name, origins, destinations, allow, share, rate, until
        case schedulingClass = "class"
        case maximumConnections = "max_connections"
    }
}

/// A tunnel as the group has it.
public struct GroupTunnel: Codable, Hashable, Sendable {
    /// Its name.
    public var name: String
    /// Whether it is used.
    public var enabled: Bool
    /// As in `TunnelRequest`.
    public var origins: [String]
    /// As in `TunnelRequest`.
    public var destinations: [String]
    /// From where clients may connect; empty: from everywhere.
    public var allow: [String]
    /// When it ends.
    public var until: Timestamp?
}

/// A member of the group, as one of them sees it.
public struct GroupMember: Codable, Hashable, Sendable {
    /// Its name.
    public var name: String
    /// Its gateway id.
    public var gateway: String
    /// Whether it may sign for the group.
    public var admin: Bool
    /// Whether it is the gateway that answers.
    public var thisGateway: Bool
    /// Whether there is a channel between the two.
    public var connected: Bool
    /// `key=value`, in order.
    public var labels: [String]
    /// Where it says that it is.
    public var addresses: [String]

    private enum CodingKeys: String, CodingKey {
        case name, gateway, admin, connected, labels, addresses
        case thisGateway = "this_gateway"
    }
}

/// What became of a change, and who has not confirmed it.
public struct GroupChange: Codable, Hashable, Sendable {
    /// The group's revision now.
    public var revision: UInt64

    /// A change that led to that revision.
    public init(revision: UInt64) { self.revision = revision }
}
