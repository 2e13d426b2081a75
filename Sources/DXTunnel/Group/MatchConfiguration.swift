/// What a group has agreed on about matchmakers, for operators.
public struct MatchConfiguration: Codable, Hashable, Sendable {
    /// `HOST:PORT#PIN`, in the order in which they were given.
    public var servers: [String]
    /// The public half of the match key as matchmakers want it (`dxmatchd --groups`): its compressed point in base64url; nil when the
    /// group has none.
    public var key: String?
    /// The group's revision now.
    public var revision: UInt64
    /// Whether the key was made just now; the matchmakers do not know it yet.
    public var madeKey: Bool

    private enum CodingKeys: String, CodingKey {
        case servers, key, revision
        case madeKey = "made_key"
    }
}

/// What is to change of a group's matchmakers; what is absent stays.
public struct MatchChange: Codable, Hashable, Sendable {
    /// `HOST:PORT#PIN`: come behind those that are there.
    public var add: [String]?
    /// `HOST:PORT#PIN`, or `HOST:PORT` for all pins there: go.
    public var remove: [String]?
    /// Whether the group gets a new match key. Matchmakers that serve known groups alone have to be told it first.
    public var newKey: Bool?

    /// A change from its parts.
    public init(add: [String]? = nil, remove: [String]? = nil, newKey: Bool? = nil) {
        self.add = add
        self.remove = remove
        self.newKey = newKey
    }

    private enum CodingKeys: String, CodingKey {
        case add, remove
        case newKey = "new_key"
    }
}
