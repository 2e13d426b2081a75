internal import DXMatch
internal import DXWire

/// What `netcheck` found: how the network here treats UDP, who can be asked, and what that means.
public struct NetworkReport: Sendable, Hashable, Codable {
    /// One IP version.
    public struct Family: Sendable, Hashable, Codable {
        /// 4 or 6.
        public var ipVersion: Int
        /// This host's addresses that lead further than its own link.
        public var addresses: [String]
        /// What the network does; nil when nobody could be asked by this version.
        public var nat: NATReport?
        /// Outside addresses and ports, as servers saw the sockets of this check.
        public var outside: [String]

        private enum CodingKeys: String, CodingKey {
            case ipVersion = "ip_version"
            case addresses, nat, outside
        }
    }

    /// What a router said when it was asked for a port.
    public struct PortMapping: Sendable, Hashable, Codable {
        /// 4 or 6.
        public var ipVersion: Int
        /// The router.
        public var router: String
        /// The protocol by which it gave one: `PCP`, `NAT-PMP` or `UPnP-IGD`; nil when it gave none.
        public var via: String?
        /// The outside address that it gave, and took back after the check.
        public var outside: String?
        /// Whether that address is inside of another NAT, so that it is of no use.
        public var isBehindAnotherNAT: Bool
        /// Why there is none, by protocol.
        public var reasons: String?

        private enum CodingKeys: String, CodingKey {
            case ipVersion = "ip_version"
            case router, via, outside
            case isBehindAnotherNAT = "behind_another_nat"
            case reasons
        }
    }

    /// With which kinds of networks there is a direct way.
    public struct Outlook: Sendable, Hashable, Codable {
        /// By checks alone.
        public var direct: [String]
        /// When an outside port is guessed.
        public var byPrediction: [String]
        /// Not at all.
        public var impossible: [String]

        private enum CodingKeys: String, CodingKey {
            case direct
            case byPrediction = "by_prediction"
            case impossible
        }
    }

    /// When it was made.
    public var time: Timestamp
    /// How long the check took, in milliseconds.
    public var tookMilliseconds: Int
    /// IPv4, then IPv6.
    public var families: [Family]
    /// The routers that were asked for ports; empty where there are none.
    public var portMappings: [PortMapping]
    /// The matchmakers and STUN servers.
    public var matchmakers: [MatchmakerStatus]
    /// What that means.
    public var outlook: Outlook
    /// How long bindings live, as far as a running gateway has measured it.
    public var binding: BindingReport?
    /// How often a running gateway refreshes its registrations, in seconds.
    public var keepaliveSeconds: Double?

    /// A report of a check that has found nothing yet.
    init(time: Timestamp) {
        self.time = time
        (tookMilliseconds, families, portMappings, matchmakers) = (0, [], [], [])
        outlook = Outlook(direct: [], byPrediction: [], impossible: [])
    }

    /// What a gateway can do here: UDP passes, and of the matchmakers that were asked one at least is of use.
    public var isUsable: Bool { isUDPWorking && matchmakers.contains { $0.state != .failing } }

    /// Whether UDP passes by some IP version.
    public var isUDPWorking: Bool { families.contains { $0.nat?.udp == .works } }

    /// What is wrong, and what to do about it, one sentence each.
    public var problems: [String] {
        var list: [String] = []
        if families.contains(where: { $0.nat?.udp == .blocked }), !isUDPWorking {
            // All else follows from it.
            return [
                "this network lets no UDP out: have its firewall let UDP out, at least to the matchmakers' ports, better to all"
                    + " ports; there is no way around it by TCP"
            ]
        }
        if !isUDPWorking, families.contains(where: { $0.nat != nil }) {
            list.append(
                "nothing answered, by UDP or otherwise: see whether this host is online, and whether the servers' addresses are right"
            )
        }
        for server in matchmakers where server.state == .failing {
            list.append("\(server.server): \(server.problem ?? "it does not answer")")
        }
        if matchmakers.isEmpty {
            list.append(
                "there is nobody to ask: give the group a matchmaker with dxgateway config match add HOST:PORT#PIN, or look without a"
                    + " gateway: dxgateway netcheck --match HOST:PORT#PIN, or --stun HOST:PORT"
            )
        }
        return list
    }

    private enum CodingKeys: String, CodingKey {
        case schema, usable, problems, time
        case tookMilliseconds = "took_ms"
        case families
        case portMappings = "port_mappings"
        case matchmakers, outlook, binding
        case keepaliveSeconds = "keepalive_seconds"
    }

    /// Writes the layout, with `usable` and `problems` worked out.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(GatewayStatus.schema, forKey: .schema)
        try container.encode(isUsable, forKey: .usable)
        try container.encode(problems, forKey: .problems)
        try container.encode(time, forKey: .time)
        try container.encode(tookMilliseconds, forKey: .tookMilliseconds)
        try container.encode(families, forKey: .families)
        try container.encode(portMappings, forKey: .portMappings)
        try container.encode(matchmakers, forKey: .matchmakers)
        try container.encode(outlook, forKey: .outlook)
        try container.encodeIfPresent(binding, forKey: .binding)
        try container.encodeIfPresent(keepaliveSeconds, forKey: .keepaliveSeconds)
    }

    /// Reads the layout.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        time = try container.decode(Timestamp.self, forKey: .time)
        tookMilliseconds = try container.decode(Int.self, forKey: .tookMilliseconds)
        families = try container.decode([Family].self, forKey: .families)
        portMappings = try container.decode([PortMapping].self, forKey: .portMappings)
        matchmakers = try container.decode([MatchmakerStatus].self, forKey: .matchmakers)
        outlook = try container.decode(Outlook.self, forKey: .outlook)
        binding = try container.decodeIfPresent(BindingReport.self, forKey: .binding)
        keepaliveSeconds = try container.decodeIfPresent(Double.self, forKey: .keepaliveSeconds)
    }
}

extension NetworkReport.Outlook {
    /// The outlook in the words of `NATOutlook`.
    init(_ outlook: NATOutlook) {
        self.init(direct: outlook.direct, byPrediction: outlook.byPrediction, impossible: outlook.impossible)
    }
}
