public import DXWire

/// How much a matchmaker takes and does. Each limit says what happens there.
public struct MatchServerLimits: Sendable, BitwiseCopyable {
    /// Registrations in all: a million are about half a gigabyte. Beyond, a new member gets `full`.
    public var registrations = 1_000_000
    /// Members of a group tag (`docs/matchmaking.md` §4.1): more than any group has, and what one list can be kept in order for.
    /// Beyond, a new member gets `full`.
    public var membersPerGroup = 10_000
    /// Group tags of a match key that have members (§4.1): tags change with epochs, and stragglers have some of their own.
    /// Beyond, a new one gets `full`.
    public var groupsPerMatchKey = 4_096
    /// Members of all groups of a match key: a tenth of the whole, so that one owner cannot take it all. Beyond, `full`.
    public var membersPerMatchKey = 100_000

    /// Match keys that members of one may have admitted at a time (§4.4): one for each member that invites, one more for each
    /// whose invitations began anew within the hour, and for each admin 32 of members that may return. Beyond, ADMIT gets `full`.
    public var guestsPerMatchKey = 256
    /// Members of all groups of an admitted match key: those who invite and those who join at one time. Beyond, `full`.
    public var membersPerGuestKey = 256
    /// Admissions in all, 100 bytes each. Beyond, ADMIT gets `full`.
    public var guests = 65_536

    /// Requests of an address prefix from addresses that are not proved, a second and twice as many at once; more are dropped. A
    /// prefix may be the outside of a carrier's NAT, with hundreds of gateways behind it. Members at their own address have the
    /// rates of their group instead, and who proves one that of signatures: nobody can use those up in another's name.
    public var requestsPerPrefix = 200
    /// Signatures checked for an address prefix, a second and twice as many at once; more get `tooOften`. One is 0.1 ms of CPU.
    public var signaturesPerPrefix = 50
    /// What all prefixes that have no place in the table may have together, in times of what one has.
    public var sharedPrefixes = 8
    /// Prefixes that are counted apart, for each of the two; 16 bytes each.
    public var prefixes = 65_536
    /// Registrations, rosters and introductions in a group, a second and four times as many at once; more get `tooOften`.
    public var requestsPerGroup = 500

    /// Introductions that a member asks for, a minute and at once (§4.2); more get `tooOften`.
    public var introductionsPerAsker = 60
    /// Introductions of one member to one other, a minute (§4.2); more get `tooOften`. At most 8, which are remembered. A NAT
    /// that was started anew twice in a minute takes six.
    public var introductionsPerPair = 8
    /// Introductions to a member, a second and at once (§4.2); more get `tooOften`.
    public var introductionsPerTarget = 20
    /// Pairs that are remembered, 64 bytes each. When there is no room for a pair, only the other two limits are left for it.
    public var pairs = 32_768
    /// Notices that are not acknowledged and not yet sent three times, up to 800 bytes each. Beyond, INTRODUCE gets `tooOften`.
    public var notices = 16_384

    /// Registrations whose end is looked at in one call of `timeoutFired`: two milliseconds of cold memory. The rest is for the
    /// next call, at once.
    public var expiriesPerTurn = 1_024
    /// Events for the other instances that wait. Beyond, all are dropped and `overflowed` is told.
    public var events = 65_536

    /// The limits for a matchmaker of the public.
    public init() {}

    /// The limits for a gateway that serves its own group (`serve_match`): a few megabytes at most.
    public static var small: MatchServerLimits {
        var limits = MatchServerLimits()
        limits.registrations = 10_000
        limits.guests = 1_024
        limits.prefixes = 1_024
        limits.pairs = 1_024
        limits.notices = 1_024
        limits.events = 1_024
        return limits
    }
}

/// What a matchmaker is told when it starts.
public struct MatchServerConfiguration: Sendable, BitwiseCopyable {
    /// Its pin, which registrations are signed for.
    public var pin: GatewayID
    /// What proofs of address and places in tables are made from. Random, and a secret; instances that share it take each
    /// other's proofs.
    public var secret: Block32
    /// What handles are made from. Random, another one for each instance and start.
    public var seed: UInt64
    /// Its limits.
    public var limits: MatchServerLimits
    /// Whether there are other instances that want to be told what happens here (`RegistryEvent`).
    public var isMirrored: Bool

    /// A configuration of these.
    public init(
        pin: GatewayID, secret: Block32, seed: UInt64, limits: MatchServerLimits = MatchServerLimits(),
        isMirrored: Bool = false
    ) {
        self.pin = pin
        self.secret = secret
        self.seed = seed
        self.limits = limits
        self.isMirrored = isMirrored
    }
}
