import DXMatch

/// How it stands between this gateway and one matchmaker.
public struct MatchmakerStatus: Sendable, Hashable, Codable {
    /// In one word.
    public enum State: String, Sendable, Hashable, Codable {
        /// This gateway is registered there.
        case registered
        /// It answers; nobody is registered there by this check.
        case answers
        /// It is being asked.
        case connecting
        /// It is of no use now: `problem` says why.
        case failing
    }

    /// `HOST:PORT` as configured, or a name alone.
    public var server: String
    /// The pin that is configured; nil for a server that is asked for STUN only.
    public var pin: String?
    /// In one word.
    public var state: State
    /// The address that is used, or tried.
    public var address: String?
    /// What its name led to, by SRV records or without; nil before it was found, and for what is an address itself.
    public var addresses: [String]?
    /// Round trip in microseconds; nil before it has answered.
    public var rttMicroseconds: UInt64?
    /// For how long it has not answered, in seconds; nil before it has.
    public var lastAnswerSeconds: Double?
    /// Where it sees this gateway.
    public var observed: [String]
    /// Members of the group that are registered there, this gateway among them.
    public var members: Int?
    /// What is wrong.
    public var problem: String?
    /// The pin that was seen, where that is another than the one configured.
    public var seenPin: String?
    /// Whether it answers STUN; nil when it was not asked.
    public var stun: Bool?
    /// Whether a datagram of 1,200 bytes, sent whole, arrived there; nil when that was not tried.
    public var largeDatagrams: Bool?

    /// A status of a matchmaker of which nothing is known yet.
    public init(server: String, pin: String?, state: State = .connecting) {
        self.server = server
        self.pin = pin
        self.state = state
        observed = []
    }

    /// Whether something has to be changed before it is of use, here or there; false for one that is only silent.
    var isRefusing: Bool { state == .failing && problem != nil && problem != "\(MatchClientProblem.noAnswer)" }

    /// What is wrong with one that says it has another pin.
    static func wrongPin(_ seen: String, configured: String) -> String {
        "it has the pin \(seen), where \(configured) is configured: compare with what dxmatchd pin prints there"
    }

    private enum CodingKeys: String, CodingKey {
        case server, pin, state, address, addresses
        case rttMicroseconds = "rtt_us"
        case lastAnswerSeconds = "last_answer_seconds"
        case observed, members, problem
        case seenPin = "seen_pin"
        case stun
        case largeDatagrams = "datagrams_of_1200_bytes"
    }
}

/// What a gateway's status says of matchmaking; absent where there are no matchmakers.
public struct MatchStatus: Sendable, Hashable, Codable {
    /// What the network does by one IP version.
    public struct Network: Sendable, Hashable, Codable {
        /// 4 or 6.
        public var ipVersion: Int
        /// What it does.
        public var nat: NATReport
        /// How long it remembers a binding; nil until that is measured.
        public var binding: BindingReport?

        /// A value from its parts.
        public init(ipVersion: Int, nat: NATReport, binding: BindingReport? = nil) {
            self.ipVersion = ipVersion
            self.nat = nat
            self.binding = binding
        }

        private enum CodingKeys: String, CodingKey {
            case ipVersion = "ip_version"
            case nat, binding
        }
    }

    /// The group's matchmakers, in the order of the group's configuration.
    public var matchmakers: [MatchmakerStatus]
    /// What was found out of the network, by IP version.
    public var networks: [Network]
    /// How often registrations are refreshed, in seconds.
    public var keepaliveSeconds: Double

    /// A value from its parts.
    public init(matchmakers: [MatchmakerStatus], networks: [Network], keepaliveSeconds: Double) {
        self.matchmakers = matchmakers
        self.networks = networks
        self.keepaliveSeconds = keepaliveSeconds
    }

    private enum CodingKeys: String, CodingKey {
        case matchmakers, networks
        case keepaliveSeconds = "keepalive_seconds"
    }
}

/// How long a network's NAT or firewall remembers a binding: the way back for answers.
public struct BindingReport: Sendable, Hashable, Codable {
    /// How far the measurement is.
    public enum State: String, Sendable, Hashable, Codable {
        /// It goes on, for up to an hour.
        case measuring
        /// It is over.
        case measured
        /// Behind such a network there is no way to tell, or nothing to measure.
        case untold
    }

    /// How far the measurement is.
    public var state: State
    /// The longest silence that a binding survived, in seconds.
    public var survivedSeconds: Double?
    /// The shortest that it did not.
    public var expiredSeconds: Double?

    /// A value from its parts.
    public init(state: State, survivedSeconds: Double? = nil, expiredSeconds: Double? = nil) {
        self.state = state
        self.survivedSeconds = survivedSeconds
        self.expiredSeconds = expiredSeconds
    }

    private enum CodingKeys: String, CodingKey {
        case state
        case survivedSeconds = "survived_seconds"
        case expiredSeconds = "expired_seconds"
    }
}
