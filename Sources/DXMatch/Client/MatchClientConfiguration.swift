public import DXWire

/// What the machine of one matchmaker is told when it is made.
public struct MatchClientConfiguration: Sendable, BitwiseCopyable {
    /// The matchmaker's pin.
    public var pin: GatewayID
    /// Names of handshakes, the first sequence, jitter. Random, another one for each machine and start.
    public var seed: UInt64
    /// How often a registration is refreshed: shorter than what the NAT's binding survives (`docs/matchmaking.md` §8). At least
    /// a second.
    public var keepalive = Interval.seconds(25)
    /// Whether the roster is read after each registration and whenever it has changed. It costs a datagram of 1,200 bytes each
    /// way for about three members.
    public var readsRoster = true

    /// A configuration with this pin and seed.
    public init(pin: GatewayID, seed: UInt64) {
        self.pin = pin
        self.seed = seed
    }
}

/// What a gateway is to be listed as (`docs/matchmaking.md` §4.1).
///
/// Another group tag or member key is another registration: the one before is taken back.
public struct MatchRegistration<SigningKey> {
    /// The group.
    public var groupTag: GroupTag
    /// Our key for this epoch and matchmaker.
    public var memberKey: SigningKey
    /// Sealed candidates, at most `MatchConstants.maximumBlob` bytes.
    public var blob: [UInt8]
    /// Rising with each other blob or lifetime, also over restarts: a matchmaker that holds a higher one refuses this.
    public var revision: UInt64
    /// In seconds, `MatchConstants.minimumLifetime` to `maximumLifetime`: how long we are listed after we have gone without a
    /// word.
    public var lifetime: UInt16

    /// A registration with these fields.
    public init(
        groupTag: GroupTag, memberKey: SigningKey, blob: [UInt8], revision: UInt64, lifetime: UInt16 = 600
    ) {
        self.groupTag = groupTag
        self.memberKey = memberKey
        self.blob = blob
        self.revision = revision
        self.lifetime = lifetime
    }
}

/// Why a command was not taken: the caller's mistake, or too much at once.
public enum MatchClientError: Error, Equatable, Sendable, BitwiseCopyable {
    /// The blob is larger than `MatchConstants.maximumBlob`.
    case blobTooLarge
    /// A registration needs a match key, which the machine was made without.
    case noMatchKey
    /// Introductions need a registration.
    case notRegistering
    /// There are already `MatchClientLimits.introductions` under way.
    case tooManyIntroductions
    /// There are already `MatchClientLimits.admissions`.
    case tooManyAdmissions
    /// Signing failed.
    case cryptography
    /// The machine was stopped.
    case stopped
}

/// How much a machine does and keeps.
enum MatchClientLimits {
    /// Addresses of a matchmaker that are used: of a name with more, the first ones.
    static let addresses = 8
    /// Introductions under way: as many as a matchmaker grants in half a minute.
    static let introductions = 32
    /// Match keys that are to be admitted (§4.4): of 32 members that may return, of 32 admins that are looked for, and of invitations.
    static let admissions = 96
    /// Requests beside which a registration is still taken back by one; else it ends by itself.
    static let leaves = 16
    /// Notices that are remembered, so that each is acted upon once (`docs/matchmaking.md` §4.2).
    static let rememberedNotices = 256
    /// Notices a second, twice as many at once: what a matchmaker sends to one registration at most (§4.1). More are a lie.
    static let noticesPerSecond = 20
    /// Notices and other events that wait for the owner, who takes them after each input. More notices are dropped, and come
    /// again.
    static let events = 256
    /// Pages of a roster: each has a member, and a group has at most 10,000.
    static let rosterPages = 10_000
    /// Proofs that a matchmaker may ask for before a registration is done: one, and one more for each change of address or of
    /// slot. More are a lie.
    static let proofs = 4
}
