import DXWire

/// A session with a gateway that joins: it carries requests and answers, and nothing else.
struct JoinSession {
    let session: ChannelSession
    /// Until when it is kept: a lost answer is asked for again.
    let until: Instant
    /// Requests that came.
    var requests = 0

    /// Sessions of this kind at a time; one more is let go at once, and comes again.
    static let most = 32
    /// How long one lasts: three times what a gateway that joins is patient for.
    static let lifetime = Interval.seconds(60)
    /// A gateway that joins asks once in 0.2 s to 3.2 s: more than this is something else.
    static let mostRequests = 64
}
