import DXWire

/// A match key that our owner wants admitted (`docs/matchmaking.md` §4.4), and how far that is.
struct WantedAdmission: Sendable {
    /// Whose holders are to be served.
    let guestKey: PublicPoint
    /// How long it is asked for, in seconds.
    let lifetime: UInt16
    /// When it is asked for again; nil for as soon as it may be.
    var renewAt: Instant?
    /// When it was last granted under the registration in force; nil when it was not.
    var grantedAt: Instant?
    /// What the matchmaker said last, when it was no; told once.
    var refusal: MatchStatus?
    /// Refusals and silence.
    var retry = RetryTimer()

    /// When it is to be asked for, if a request can be made.
    var dueAt: Instant { max(renewAt ?? .zero, retry.notBefore ?? .zero) }

    /// Whether the matchmaker has said nothing of it yet.
    var isPending: Bool { grantedAt == nil && refusal == nil }
}
