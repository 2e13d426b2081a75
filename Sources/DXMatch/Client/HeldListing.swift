import DXWire

/// Our registration as it is held at a matchmaker, and its refreshing (`docs/matchmaking.md` §4.1).
struct HeldListing: Sendable {
    /// Its name.
    let handle: Handle
    /// Of refreshes and notices.
    let key: HandleKey
    /// What the matchmaker said of it.
    let listing: MatchListing
    /// When it ends unless it is refreshed.
    var endsAt: Instant
    /// The last refresh's number.
    var count: UInt32
    /// The highest number of a refresh that was answered.
    var answered: UInt32
    /// When the next refresh goes out, or the last of three is given up.
    var dueAt: Instant
    /// Whether it was made under the ticket in use: only then requests can name it.
    var isCurrent = true
    /// Whether its instance has said that it is going away.
    var isLeaving = false
    /// The refreshes that were not answered, the oldest first; at most `maximumUnanswered`.
    var unanswered: [Unanswered] = []
    /// Whether something was heard of it since the last refresh that goes out in its time.
    var isAnswered = true
    /// Notices to be acknowledged at once, a bounded few: the matchmaker says the others again.
    var acknowledgements: [UInt32] = []
    /// Whether it is to be made again: the address has changed, or the matchmaker has forgotten it.
    var isLapsed = false

    /// A refresh without an answer so far.
    struct Unanswered: Sendable {
        let count: UInt32
        let at: Instant
    }

    /// After as many refreshes without an answer it is made again.
    static let maximumUnanswered = 3
    /// More notices at once than these are acknowledged when they come again.
    static let maximumAcknowledgements = 32

    /// How long the refresh is waited for that makes `count` unanswered: 1, 2, 4 s, or more on a slow network.
    static func patience(unanswered count: Int, _ roundTrip: RoundTripTime) -> Interval {
        max(.seconds(1), roundTrip.timeout * 2) * (1 &<< Int64(max(0, min(count - 1, 4))))
    }
}
