/// What a rehearsal is to cut.
public struct RehearsalTarget: Sendable, Hashable {
    /// The peer's name, or at least 8 characters of its id.
    public var peer: String
    /// Nil for all ways to the peer; else the paths that have all of these: an address of either end, with or without the port, or
    /// the name of this host's interface. Empty for the path in use.
    public var path: [String]?

    /// All ways to a peer, or paths.
    public init(peer: String, path: [String]? = nil) {
        self.peer = peer
        self.path = path
    }
}

/// What a rehearsal cuts, and what stands by.
public struct RehearsalPlan: Sendable, Hashable, Codable {
    /// One end of a tunnel that has to do with the peer.
    public struct Tunnel: Sendable, Hashable, Codable {
        /// The tunnel's name.
        public var name: String
        /// Which end this gateway is.
        public var role: TunnelStatus.Role
        /// Connections of it that go through the peer's channel now.
        public var openConnections: Int
        /// At the origin: other destinations that can be expected to serve.
        public var standsBy: [String]

        private enum CodingKeys: String, CodingKey {
            case name, role
            case openConnections = "open_connections"
            case standsBy = "stands_by"
        }
    }

    /// The peer's name.
    public var peer: String
    /// The paths that are cut, as `LOCAL -> REMOTE`; empty when all ways are.
    public var paths: [String]
    /// For how long, in seconds.
    public var seconds: Int
    /// Other paths to the peer that answer; empty when all ways are cut.
    public var otherPaths: [String]
    /// The ends of tunnels that may feel it; not those of UDP.
    public var tunnels: [Tunnel]
    /// What open connections would come to harm, as nothing stands by for them; a sentence each.
    public var wouldBreak: [String]
    /// What else is to be known before.
    public var notes: [String]

    private enum CodingKeys: String, CodingKey {
        case peer, paths, seconds, tunnels, notes
        case otherPaths = "other_paths"
        case wouldBreak = "would_break"
    }

    /// What is cut, in words.
    public var what: String {
        guard let first = paths.first else { return peer }
        let further = paths.count > 1 ? " and \(paths.count - 1) more" : ""
        return "the path \(first)\(further) to \(peer)"
    }

    /// The longest cut in seconds, where connections outlast it: a peer that is silent for longer than `limits: liveness` and a tunnel's
    /// `hold` is given up, with every connection (`GatewayError.rehearsalTooLong`).
    public static let maximumSeconds = 60
}
