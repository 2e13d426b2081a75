import DXWire

/// What a registration is kept under (`docs/matchmaking.md` §4.1).
public struct RegistrationKey: Hashable, Sendable, BitwiseCopyable {
    /// Whose group may register: the hash in the ticket.
    public var matchKey: MatchKeyHash
    /// The group.
    public var groupTag: GroupTag
    /// The member.
    public var memberTag: MemberTag

    /// A key of these three.
    public init(matchKey: MatchKeyHash, groupTag: GroupTag, memberTag: MemberTag) {
        self.matchKey = matchKey
        self.groupTag = groupTag
        self.memberTag = memberTag
    }
}

/// One registration, in its slot. Trivial, and small: there may be a million.
struct Registration: Sendable, BitwiseCopyable {
    /// The member.
    let memberTag: MemberTag
    /// The slot of the group.
    let group: UInt32
    /// The instance that has the socket; 0 is this one.
    var instance: UInt32 = 0
    /// The name of the registration.
    var handle: Handle
    /// The key of REFRESH and notices.
    var handleKey: HandleKey
    /// Where it was proved to be.
    var address: Endpoint
    /// The member's count of registrations.
    var revision: UInt64
    /// The highest sequence of a request.
    var lastSequence: UInt64
    /// The end of its life; a refresh moves it, and nothing else.
    var expiresAt: Instant
    /// Introductions that it asked for.
    var asked = RateMark()
    /// Introductions to it.
    var introduced = RateMark()
    /// The highest count of a REFRESH.
    var lastCount: UInt32 = 0
    /// The number of the last notice.
    var lastNotice: UInt32 = 0
    /// What the group's count of changes was when it began a roster.
    var seenChanges: UInt32
    /// The one behind it in the list of those that may end in one second.
    var next = Self.none
    /// The one before it, or the list (`ExpiryWheel`).
    var previous = Self.none
    /// The sealed candidates.
    var blob: BlobStore.Reference
    /// The lifetime granted, in seconds.
    var lifetime: UInt16
    /// The socket on which it was heard.
    var socket: UInt8

    /// The end of a list of slots.
    static let none = UInt32.max

    /// Whether it has not ended at `now`. One that has may still be in its slot for a moment.
    func isLive(now: Instant) -> Bool { now < expiresAt }
}

/// One group at one matchmaker, in its slot, as long as it has members.
struct RegistrationGroup: Sendable {
    /// The slot of the match key.
    let matchKey: UInt32
    /// The group.
    let tag: GroupTag
    /// The slots of the members, in the order of their tags.
    var members: [UInt32] = []
    /// Counts what changes the roster; wraps.
    var changes: UInt32 = 0
    /// A sum over the members, whatever their order.
    var digest: UInt64 = 0
    /// Requests for it.
    var requests = RateMark()
}

/// One match key, in its slot, as long as it has groups.
struct RegistrationMatchKey: Sendable, BitwiseCopyable {
    /// Its hash.
    let hash: MatchKeyHash
    /// Its groups that have members.
    var groupCount = 0
    /// The members of all its groups.
    var memberCount = 0
    /// Whether it is served only because it was admitted, as the last registration under it said.
    var isGuest = false
}
