/// Why a request or a REFRESH got no answer. Counted.
public enum MatchServerDrop: Error, Equatable, Sendable, BitwiseCopyable, CaseIterable {
    /// It is empty, and so of no kind.
    case malformed
    /// The sender's address prefix had its share.
    case rateLimited
    /// The sequence or the count is not above the last.
    case replayed
    /// There is no such registration.
    case unknownHandle
    /// The code of a REFRESH is wrong.
    case wrongCode
}

/// Counts since the start.
public struct MatchServerStatistics: Equatable, Sendable, BitwiseCopyable {
    /// Requests that were answered, whatever the status.
    public internal(set) var answers: UInt64 = 0
    /// Requests answered with `tooOften`.
    public internal(set) var tooOften: UInt64 = 0
    /// Requests answered with `full`.
    public internal(set) var full: UInt64 = 0
    /// Signatures that were checked and not the member key's.
    public internal(set) var wrongSignatures: UInt64 = 0
    /// REFRESH that renewed.
    public internal(set) var refreshes: UInt64 = 0
    /// REFRESH from another address than the registered one.
    public internal(set) var movedRefreshes: UInt64 = 0
    /// Introductions made, repeated ones not counted.
    public internal(set) var introductions: UInt64 = 0
    /// Notices sent, each sending counted.
    public internal(set) var notices: UInt64 = 0
    /// Notices that were acknowledged.
    public internal(set) var acknowledged: UInt64 = 0
    /// Registrations that ended without a word.
    public internal(set) var expired: UInt64 = 0
    /// Dropped for having no kind.
    public internal(set) var malformed: UInt64 = 0
    /// Dropped for its prefix.
    public internal(set) var rateLimited: UInt64 = 0
    /// Dropped for its sequence or count.
    public internal(set) var replayed: UInt64 = 0
    /// REFRESH of registrations that are not there.
    public internal(set) var unknownHandles: UInt64 = 0
    /// REFRESH with a wrong code.
    public internal(set) var wrongCodes: UInt64 = 0

    /// Counts what got no answer.
    mutating func count(_ drop: MatchServerDrop) {
        switch drop {
        case .malformed: malformed &+= 1
        case .rateLimited: rateLimited &+= 1
        case .replayed: replayed &+= 1
        case .unknownHandle: unknownHandles &+= 1
        case .wrongCode: wrongCodes &+= 1
        }
    }

    /// Counts an answer.
    mutating func count(_ status: MatchStatus) {
        answers &+= 1
        switch status {
        case .tooOften: tooOften &+= 1
        case .full: full &+= 1
        case .wrongSignature: wrongSignatures &+= 1
        default: break
        }
    }
}

/// What a matchmaker holds, in numbers.
public struct MatchServerStatus: Equatable, Sendable, BitwiseCopyable {
    /// Registrations, those of other instances among them.
    public var registrations: Int
    /// Group tags with members.
    public var groups: Int
    /// Match keys with groups.
    public var matchKeys: Int
    /// Match keys that members of served ones admitted, those that ended within the last minute among them.
    public var admissions: Int
    /// Notices that are neither acknowledged nor sent three times.
    public var pendingNotices: Int
    /// The bytes of the registry.
    public var registryByteCount: Int
    /// Whether it takes nobody new.
    public var isLeaving: Bool
    /// Counts since the start.
    public var statistics: MatchServerStatistics
}
