public import DXWire

/// What a gateway has to know of a matchmaker.
public enum MatchClientEvent: Equatable, Sendable {
    /// There is another ticket, or its sequence must be kept: `exportTicket` gives what to write.
    case ticketChanged
    /// The matchmaker gives no ticket. The machine tries again, ever more rarely.
    case ticketRefused(TicketGranted.Result)
    /// Another matchmaker answers than the pin says. The machine tries again, ever more rarely.
    case wrongPin(expected: GatewayID, seen: GatewayID)
    /// Nobody answers, or the handshake fails for this reason. Once; the machine tries again, ever more rarely.
    case unreachable(String?)

    /// An address of ours, as it is seen at `server`; `base` is where the answer was heard. After `observe`, and when a
    /// registration is made.
    case observed(Endpoint, server: Endpoint, base: Endpoint)
    /// Whether a request in a datagram of 1,200 bytes was answered, at `server`. After `measure`.
    case measured(isAnswered: Bool, server: Endpoint)
    /// We are listed, for the first time or with other contents or another address.
    case registered(MatchListing)
    /// The matchmaker does not list us. The machine tries again, ever more rarely; after `stale` a higher revision helps.
    case registrationRefused(MatchStatus)
    /// The registration that was to end has ended, or nobody answered. After `unregister` and `stop`.
    case left
    /// The instance at which we are registered is going away. The machine uses another address, if it has one.
    case isLeaving

    /// Some of the others that are registered. The first page begins a new roster, the last one ends it: who was on none is
    /// not registered.
    case roster([MatchPeer], isFirst: Bool, isLast: Bool)
    /// An introduction of ours has succeeded: the other is told of us as well.
    case introduced(MatchPeer, nonce: UInt64)
    /// An introduction of ours has failed.
    case introductionFailed(MemberTag, nonce: UInt64, MatchIntroductionFailure)
    /// Holders of this match key are served from now on, for so long, or longer than before.
    case admitted(PublicPoint, lifetime: Interval)
    /// Holders of this match key are not served, for this reason. Once for each; the machine tries again, ever more rarely.
    case admissionRefused(PublicPoint, MatchStatus)
    /// Another was told of us and will send checks. Once for each nonce.
    case notice(MatchPeer, nonce: UInt64)
}

/// Another member, as a matchmaker tells of it. Whether the blob is the member's is for its seal and signature to say.
public struct MatchPeer: Equatable, Sendable {
    /// Its pseudonym.
    public var memberTag: MemberTag
    /// Where the matchmaker sees it.
    public var address: Endpoint
    /// That of its registration.
    public var revision: UInt64
    /// Its sealed candidates (`docs/matchmaking.md` §6).
    public var blob: [UInt8]
}

/// Our registration, as a matchmaker tells of it.
public struct MatchListing: Equatable, Sendable, BitwiseCopyable {
    /// Where we are seen.
    public var observed: Endpoint
    /// Where the matchmaker was asked.
    public var server: Endpoint
    /// Where its answer was heard.
    public var base: Endpoint
    /// How long we are listed without a refresh.
    public var lifetime: Interval
    /// The members of the group that are registered, ourselves among them; 65,535 for more.
    public var memberCount: UInt16
}

/// Why an introduction failed.
public enum MatchIntroductionFailure: Equatable, Sendable, BitwiseCopyable {
    /// The other is not registered with this matchmaker.
    case unknownMember
    /// There were too many lately; a minute helps.
    case tooOften
    /// The matchmaker did not answer, or did not register us in time.
    case noAnswer
    /// Any other status.
    case refused(MatchStatus)
    /// Another registration was wanted before it was done, or none.
    case cancelled
}
