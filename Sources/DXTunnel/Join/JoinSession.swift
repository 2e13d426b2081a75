import DXWire

/// A session with a gateway that joins: it carries requests and answers, and nothing else.
struct JoinSession {
    let session: ChannelSession
    /// Until when it is kept.
    var until: Instant
    /// Requests that came.
    var requests = 0

    /// Sessions of this kind at a time. One more takes the place of the one that would end first: whoever lost it asks anew.
    static let most = 64
    /// How long one lasts: what a gateway that joins is patient for.
    static let lifetime = Interval.seconds(20)
    /// How long after an answer, which may be lost: the joiner asks again within 0.4 s to 6.4 s. A later one begins a new
    /// session, and gets the same answer.
    static let lifetimeAfterAnswer = Interval.seconds(5)
    /// A gateway that joins asks once in 0.2 s to 3.2 s: more than this is something else.
    static let mostRequests = 64
}
