/// What was tried to reach a peer, what came of it, and what would make the way direct: for `explain`.
public struct PeerExplanation: Sendable, Hashable, Codable {
    /// The way in use.
    public struct Connection: Sendable, Hashable, Codable {
        /// How the way was found.
        public enum Found: String, Sendable, Hashable, Codable {
            /// A matchmaker introduced the two, or another member did.
            case introduction
            /// The two heard each other in one network, by multicast.
            case network
            /// An address of the peer's was known.
            case knownAddress = "known_address"
            /// The peer called here.
            case called
            /// There was no direct way, and a member with a channel to both forwards.
            case member
        }

        /// The address of ours; nil where the routing table chooses.
        public var local: String?
        /// The peer's; `through NAME` where another member forwards.
        public var remote: String
        /// What kind of path that is.
        public var pathKind: PathKind
        /// The name of the member that forwards; nil for any other path.
        public var forwardedBy: String?
        /// How it was found.
        public var found: Found
        /// Since when this path is used.
        public var since: Timestamp
        /// Smoothed round trip in microseconds.
        public var rttMicroseconds: UInt64?

        private enum CodingKeys: String, CodingKey {
            case local, remote
            case pathKind = "path_kind"
            case forwardedBy = "forwarded_by"
            case found, since
            case rttMicroseconds = "rtt_us"
        }
    }

    /// One end of an introduction.
    public struct Side: Sendable, Hashable, Codable {
        /// Where the matchmaker saw it.
        public var observed: String?
        /// Its network by IPv4; nil where it has none or nothing is known.
        public var ipv4: NATReport?
        /// The same by IPv6.
        public var ipv6: NATReport?
        /// Whether its router lets others in at a port.
        public var hasMappedPort: Bool

        private enum CodingKeys: String, CodingKey {
            case observed, ipv4, ipv6
            case hasMappedPort = "mapped_port"
        }
    }

    /// A way that was tried: from an address of ours to one of the peer's.
    public struct Pair: Sendable, Hashable, Codable {
        /// The address of ours.
        public var local: String
        /// The peer's.
        public var remote: String
        /// How that was found: `host`, `server-reflexive`, `port-mapped`, `peer-reflexive`, `forwarded`.
        public var kind: String
        /// Checks sent.
        public var sent: Int
        /// How often the limit on checks made one wait.
        public var heldBack: Int
        /// Checks of the peer's that came this way.
        public var heard: Int
        /// When the first one went out, in milliseconds from the introduction on.
        public var firstSentMilliseconds: Int?
        /// When the peer's first one came.
        public var heardMilliseconds: Int?
        /// When the first answer came.
        public var answeredMilliseconds: Int?
        /// The round trip of the last answer, in microseconds.
        public var rttMicroseconds: UInt64?
        /// Our address as the peer sees it this way.
        public var observed: String?
        /// Whether it was used.
        public var wasUsed: Bool
        /// What came of it, in words.
        public var result: String

        private enum CodingKeys: String, CodingKey {
            case local, remote, kind, sent
            case heldBack = "held_back"
            case heard
            case firstSentMilliseconds = "first_sent_ms"
            case heardMilliseconds = "heard_ms"
            case answeredMilliseconds = "answered_ms"
            case rttMicroseconds = "rtt_us"
            case observed
            case wasUsed = "used"
            case result
        }
    }

    /// An address of the peer's that nothing was sent to.
    public struct Refusal: Sendable, Hashable, Codable {
        /// The address.
        public var address: String
        /// How it was found.
        public var kind: String
        /// Why nothing was sent there.
        public var reason: String
    }

    /// Something that happened in an introduction.
    public struct Note: Sendable, Hashable, Codable {
        /// When, in milliseconds from its beginning.
        public var milliseconds: Int
        /// What.
        public var what: String

        private enum CodingKeys: String, CodingKey {
            case milliseconds = "ms"
            case what
        }
    }

    /// How an outside port was guessed.
    public struct Prediction: Sendable, Hashable, Codable {
        /// Whether it was this gateway's port; else the peer's.
        public var isOurs: Bool
        /// `sequential` or `birthday`: how.
        public var method: String
        /// Datagrams sent for it.
        public var sent: Int

        private enum CodingKeys: String, CodingKey {
            case isOurs = "ours"
            case method, sent
        }
    }

    /// The last introduction.
    public struct Introduction: Sendable, Hashable, Codable {
        /// What became of it.
        public enum Outcome: String, Sendable, Hashable, Codable {
            /// It goes on.
            case running
            /// A way was found.
            case found
            /// None was.
            case failed
        }

        /// When it began.
        public var started: Timestamp
        /// How long it took, or has taken, in milliseconds.
        public var tookMilliseconds: Int
        /// What became of it.
        public var outcome: Outcome
        /// Why no way was found.
        public var failure: String?
        /// The matchmaker that introduced; nil when none did, as when the peer's checks came unannounced.
        public var matchmaker: String?
        /// What brought it about.
        public var notes: [Note]
        /// This end.
        public var ours: Side
        /// The peer's end, as it said itself.
        public var theirs: Side
        /// What can be expected of the two networks.
        public var theory: String
        /// The guessing of a port, where there was some.
        public var prediction: Prediction?
        /// The ways that were tried, the best first.
        public var pairs: [Pair]
        /// What was not tried.
        public var refused: [Refusal]

        private enum CodingKeys: String, CodingKey {
            case started
            case tookMilliseconds = "took_ms"
            case outcome, failure, matchmaker, notes, ours, theirs, theory, prediction, pairs, refused
        }
    }

    /// When it was written.
    public var time: Timestamp
    /// The peer's name.
    public var peer: String
    /// Its gateway id as text.
    public var id: String
    /// Where the channel stands.
    public var state: PeerStatus.State
    /// Since when.
    public var since: Timestamp
    /// The way in use; nil when there is none.
    public var connection: Connection?
    /// How it stands, in a sentence.
    public var conclusion: String
    /// The one smallest change that would make the way direct; nil where it is, or where nothing has to change.
    public var remedy: String?
    /// The matchmakers at which the peer is registered, as far as this gateway sees.
    public var registeredAt: [String]
    /// Introductions in vain since the peer was last reached.
    public var failures: Int
    /// In how many milliseconds the next one is asked for; nil when none is.
    public var nextMilliseconds: Int?
    /// The last introduction; nil when there was none since the gateway started.
    public var introduction: Introduction?

    private enum CodingKeys: String, CodingKey {
        case schema, time, peer, id, state, since, connection, conclusion, remedy
        case registeredAt = "registered_at"
        case failures
        case nextMilliseconds = "next_ms"
        case introduction
    }

    /// Writes the layout.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(GatewayStatus.schema, forKey: .schema)
        try container.encode(time, forKey: .time)
        try container.encode(peer, forKey: .peer)
        try container.encode(id, forKey: .id)
        try container.encode(state, forKey: .state)
        try container.encode(since, forKey: .since)
        try container.encodeIfPresent(connection, forKey: .connection)
        try container.encode(conclusion, forKey: .conclusion)
        try container.encodeIfPresent(remedy, forKey: .remedy)
        try container.encode(registeredAt, forKey: .registeredAt)
        try container.encode(failures, forKey: .failures)
        try container.encodeIfPresent(nextMilliseconds, forKey: .nextMilliseconds)
        try container.encodeIfPresent(introduction, forKey: .introduction)
    }

    /// An explanation from its parts.
    public init(
        time: Timestamp, peer: String, id: String, state: PeerStatus.State, since: Timestamp,
        connection: Connection? = nil, conclusion: String, remedy: String? = nil, registeredAt: [String] = [],
        failures: Int = 0, nextMilliseconds: Int? = nil, introduction: Introduction? = nil
    ) {
        self.time = time
        self.peer = peer
        self.id = id
        self.state = state
        self.since = since
        self.connection = connection
        self.conclusion = conclusion
        self.remedy = remedy
        self.registeredAt = registeredAt
        self.failures = failures
        self.nextMilliseconds = nextMilliseconds
        self.introduction = introduction
    }

    /// Reads the layout.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            time: try container.decode(Timestamp.self, forKey: .time),
            peer: try container.decode(String.self, forKey: .peer), id: try container.decode(String.self, forKey: .id),
            state: try container.decode(PeerStatus.State.self, forKey: .state),
            since: try container.decode(Timestamp.self, forKey: .since),
            connection: try container.decodeIfPresent(Connection.self, forKey: .connection),
            conclusion: try container.decode(String.self, forKey: .conclusion),
            remedy: try container.decodeIfPresent(String.self, forKey: .remedy),
            registeredAt: try container.decode([String].self, forKey: .registeredAt),
            failures: try container.decode(Int.self, forKey: .failures),
            nextMilliseconds: try container.decodeIfPresent(Int.self, forKey: .nextMilliseconds),
            introduction: try container.decodeIfPresent(Introduction.self, forKey: .introduction))
    }
}
