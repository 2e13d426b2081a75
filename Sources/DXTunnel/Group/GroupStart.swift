import DXSecure

/// What a gateway reads from its state directory before it runs as a member of a group.
struct GroupStart: Sendable {
    let directory: StateDirectory
    let file: GroupFile
    let epochs: [EpochSecret]
    let invites: InviteBook
    let settings: LocalSettings
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

    /// Settings from their parts.
    public init(
        listen: HostAddress = HostAddress(host: "", port: 0), advertise: [HostAddress] = [],
        controlPath: String? = nil, policy: LocalPolicy = LocalPolicy(),
        limits: GatewayConfiguration.Limits = GatewayConfiguration.Limits()
    ) {
        self.policy = policy
        self.listen = listen
        self.advertise = advertise
        self.controlPath = controlPath
        self.limits = limits
    }
}
