/// What a group has agreed on.
public struct GroupConfiguration: Codable, Hashable, Sendable {
    /// What operators call the group.
    public var group: String
    /// The group's id: 64 hexadecimal digits.
    public var groupID: String
    /// The highest revision that counts.
    public var revision: UInt64
    /// The number of the newest epoch.
    public var epoch: UInt64
    /// By name.
    public var members: [GroupMember]
    /// By name.
    public var tunnels: [GroupTunnel]
    /// The matchmakers, `HOST:PORT#PIN`; nil of a gateway whose version knows of none.
    public var matchmakers: [String]?

    private enum CodingKeys: String, CodingKey {
        case group, revision, epoch, members, tunnels, matchmakers
        case groupID = "group_id"
    }
}

/// One thing that was said in a group.
public struct GroupHistoryEntry: Codable, Hashable, Sendable {
    /// Its revision.
    public var revision: UInt64
    /// When, by the calendar of whoever said it; nil when that is not known.
    public var time: Timestamp?
    /// The name of whoever said it.
    public var by: String
    /// What, in words.
    public var what: String
    /// Whether nothing newer was said about the same.
    public var inForce: Bool

    private enum CodingKeys: String, CodingKey {
        case revision, time, by, what
        case inForce = "in_force"
    }
}
