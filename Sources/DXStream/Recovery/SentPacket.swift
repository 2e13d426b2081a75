internal import DXWire

/// What is remembered of a packet until it is acknowledged or its loss is certain. Trivial, 24 bytes.
struct SentPacket: Sendable, BitwiseCopyable {
    /// Where it is.
    enum State: UInt8, Sendable {
        /// On the way.
        case outstanding
        /// The peer has it.
        case acknowledged
        /// Declared lost; an acknowledgement may still come and show that this was wrong.
        case lost
        /// Never sent: the number was left out, so that a peer that acknowledges it is caught (RFC 9000 §21.4).
        case skipped
    }

    /// When it was sent.
    var sentAt: Instant
    /// The number of its first obligation in the path's ring.
    var firstObligation: UInt64
    /// How many obligations it has.
    var obligationCount: UInt16 = 0
    /// The bytes of its datagrams (UDP payload), at most 65,000; counted in flight when `isInFlight`.
    var byteCount: UInt16
    /// Where it is.
    var state: State = .outstanding
    /// What it was like when it was sent.
    var traits: Traits

    /// Facts about a packet, one bit each.
    struct Traits: OptionSet, Sendable, BitwiseCopyable {
        let rawValue: UInt8
        /// Asks for an acknowledgement and counts as in flight.
        static let isAckEliciting = Traits(rawValue: 1)
        /// Searches for a larger MTU; its loss says nothing about congestion.
        static let isMTUProbe = Traits(rawValue: 2)
        /// Marked ECT(0).
        static let isECNMarked = Traits(rawValue: 4)
        /// Sent when the application gave less than the window allowed.
        static let isApplicationLimited = Traits(rawValue: 8)
        /// Its loss caused the last reduction of the window, or fell into it.
        static let isInLossEpisode = Traits(rawValue: 16)
        /// Went in several datagrams.
        static let isFragmented = Traits(rawValue: 32)
        /// Its content was sent again on another path; if it is lost that is not done once more.
        static let isMoved = Traits(rawValue: 64)
    }

    /// Fills unused places of a ring.
    static let filler = SentPacket(sentAt: .zero, firstObligation: 0, byteCount: 0, state: .skipped, traits: [])
}
