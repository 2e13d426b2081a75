public import DXWire

/// How it stands with one matchmaker, for `status`, `netcheck` and `explain`.
public struct MatchClientStatus: Equatable, Sendable {
    /// In one word.
    public var state: State
    /// The address that is used; nil before one has answered.
    public var server: Endpoint?
    /// Our address as it was last seen over IPv4.
    public var observedV4: Endpoint?
    /// Our address as it was last seen over IPv6.
    public var observedV6: Endpoint?
    /// Smoothed; nil before anything was answered.
    public var roundTrip: Interval?
    /// When the matchmaker was last heard for certain; nil for never.
    public var lastHeardAt: Instant?
    /// What was tried in vain since the last success.
    public var failureCount: Int
    /// When it is tried again; nil when nothing is waited for.
    public var nextAttemptAt: Instant?
    /// When the ticket ends; nil without one.
    public var ticketExpiresAt: Instant?
    /// The members of the group that are registered, when we last registered.
    public var memberCount: UInt16?
    /// Counts since the machine was made.
    public var statistics: MatchClientStatistics

    /// How it stands.
    public enum State: Equatable, Sendable {
        /// The matchmaker's addresses are not known.
        case noAddress
        /// A ticket is being asked for.
        case connecting
        /// There is a ticket, or none is needed, and no registration is wanted.
        case ready
        /// A registration is being made.
        case registering
        /// We are listed.
        case registered
        /// It does not work, for this reason; it is tried again.
        case failing(MatchClientProblem)
        /// The machine was stopped.
        case stopped
    }
}

/// Why a matchmaker is of no use now.
public enum MatchClientProblem: Equatable, Sendable {
    /// It does not answer.
    case noAnswer
    /// The DTLS handshake failed, for this reason.
    case handshake(String)
    /// It has another key than the pin says.
    case wrongPin(expected: GatewayID, seen: GatewayID)
    /// It gives no ticket.
    case ticketRefused(TicketGranted.Result)
    /// It does not list us.
    case registrationRefused(MatchStatus)
}

extension MatchClientProblem: CustomStringConvertible {
    /// One sentence: what is wrong and where to look.
    public var description: String {
        switch self {
        case .noAnswer: "no answer: it is down, UDP to it is blocked, or its pin is another"
        case .handshake(let reason): "the handshake failed: \(reason)"
        case .wrongPin(let expected, let seen): "it has the pin \(seen), where \(expected) is configured"
        case .ticketRefused(.notServed): "it does not serve this group: its match key is not in the matchmaker's list"
        case .ticketRefused(.noMoreGroups): "it serves no more groups"
        case .ticketRefused(.tooManyTickets): "it has given too many tickets to this group lately"
        case .ticketRefused(let result): "it gives no ticket (result \(result.rawValue))"
        case .registrationRefused(.full): "it has no room for this registration"
        case .registrationRefused(.stale): "it holds a later registration of this gateway"
        case .registrationRefused(.leaving): "it is shutting down"
        case .registrationRefused(.tooOften): "too many requests of this group or network"
        case .registrationRefused(let status): "it refused the registration (status \(status.rawValue))"
        }
    }
}

/// Counts of one matchmaker's machine.
public struct MatchClientStatistics: Equatable, Sendable, BitwiseCopyable {
    /// Datagrams sent.
    public var sent: UInt64 = 0
    /// Datagrams heard and used.
    public var received: UInt64 = 0
    /// Datagrams that do not open under the veil.
    public var notOpened: UInt64 = 0
    /// Messages and bodies that cannot be read.
    public var malformed: UInt64 = 0
    /// Messages for nobody: of another handshake, request or registration, or that came twice.
    public var unmatched: UInt64 = 0
    /// Messages whose seal or code is not the matchmaker's.
    public var notAuthentic: UInt64 = 0
    /// Notices that were acted upon before.
    public var repeatedNotices: UInt64 = 0
    /// Notices that were too many.
    public var droppedNotices: UInt64 = 0
    /// Tickets granted.
    public var tickets: UInt64 = 0
    /// Registrations made, renewals under a new ticket or address among them.
    public var registrations: UInt64 = 0
    /// Refreshes that were not answered in time.
    public var lostRefreshes: UInt64 = 0

    /// Zeros.
    public init() {}
}
