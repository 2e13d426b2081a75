import DXSecure

/// What a gateway reads from its state directory before it runs as a member of a group.
struct GroupStart: Sendable {
    let directory: StateDirectory
    let file: GroupFile
    let epochs: [EpochSecret]
    let invites: InviteBook
    let settings: LocalSettings
    /// Where members were reached, and whether that could not be read.
    let reach: (book: ReachBook, isRefused: Bool)
}

/// What is a gateway's own and not its group's.
public struct LocalSettings: Sendable, Hashable {
    /// The UDP address of this gateway. An empty host is IPv4 and IPv6; port 0 is the one it had last time, if that is free.
    public var listen: HostAddress
    /// Where the others are told to find it; empty: at the addresses of its interfaces.
    public var advertise: [HostAddress]
    /// The path of the control socket; nil for `control.sock` in the state directory.
    public var controlPath: String?
    /// What the group may have this gateway do.
    public var policy: LocalPolicy
    /// What the gateway may use at most. It has one event loop, whatever is said of threads.
    public var limits: GatewayConfiguration.Limits
    /// Whether and where this gateway is a matchmaker for its own group; nil for not at all.
    public var serveMatch: ServeMatch?
    /// Whether members in the networks of this host are looked for, and answered (`docs/matchmaking.md` §10).
    public var lan = true
    /// Whether the router is asked for a port (`docs/matchmaking.md` §9), where the group has matchmakers.
    public var mapsPorts = true
    /// What is kept of connections that went through, in the state directory.
    public var audit = AuditSettings()
    /// Where the program serves figures.
    public var metrics = MetricsPlace.standard

    /// Which interfaces carry paths to other members (`docs/paths.md`).
    public var paths = PathRules()

    /// What this gateway forwards between members that do not reach each other; nil for nothing.
    public var forward: Forward?

    /// The programs that check targets, by the names that the group's tunnels call them by: the group names one, and what that is
    /// is the owner's word alone.
    public var healthCommands: [String: GatewayConfiguration.HealthCommand] = [:]

    /// Forwarding between members (`docs/wire-format.md` §6.13.1).
    public struct Forward: Sendable, Hashable {
        /// At most so many bits a second, of all members and both directions together; a pair has half of it at most.
        public var bitsPerSecond: UInt64

        /// What is forwarded unless told otherwise: enough for a shell, a dashboard and a camera, and not all of an access line.
        public static let usualRate: UInt64 = 20_000_000

        /// Rates that a file may name: below, not even a handshake passes in time; above, `TokenBucket` does not count.
        public static let rates: ClosedRange<UInt64> = 64_000...8_000_000_000

        /// Forwarding at this rate.
        public init(bitsPerSecond: UInt64 = Forward.usualRate) { self.bitsPerSecond = bitsPerSecond }
    }

    /// A matchmaker for the gateway's own group, on a socket of its own (`docs/matchmaking.md` §1).
    public struct ServeMatch: Sendable, Hashable {
        /// The UDP address. An empty host is IPv4 and IPv6. With port 0 it is another one after each start, and has to be told anew.
        public var listen: HostAddress

        /// A matchmaker at an address; at the standard port of all addresses unless told otherwise.
        public init(listen: HostAddress = HostAddress(host: "", port: MatchmakerAddress.standardPort)) {
            self.listen = listen
        }

        /// The port beside it, which gateways need to learn what their NATs do (`docs/matchmaking.md` §8): the next one, as 3479
        /// beside 3478; nil where there is none.
        public var alternatePort: UInt16? {
            switch listen.port {
            // The system's choice, as the first.
            case 0: 0
            case .max: nil
            default: listen.port + 1
            }
        }
    }

    /// Settings from their parts.
    public init(
        listen: HostAddress = HostAddress(host: "", port: 0), advertise: [HostAddress] = [],
        controlPath: String? = nil, policy: LocalPolicy = LocalPolicy(),
        limits: GatewayConfiguration.Limits = GatewayConfiguration.Limits(), serveMatch: ServeMatch? = nil,
        lan: Bool = true, mapsPorts: Bool = true, forward: Forward? = nil
    ) {
        self.forward = forward
        self.mapsPorts = mapsPorts
        self.lan = lan
        self.serveMatch = serveMatch
        self.policy = policy
        self.listen = listen
        self.advertise = advertise
        self.controlPath = controlPath
        self.limits = limits
    }
}
