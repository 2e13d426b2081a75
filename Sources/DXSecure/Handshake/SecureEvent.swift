/// What became of a veiled datagram.
public enum VeiledOutcome: Equatable, Sendable {
    /// It was taken: poll for datagrams to send and for events.
    case taken
    /// It was dropped without an answer, and counted.
    case dropped(VeilDrop)
    /// It belongs to a peer or a session of this other event loop, if there is one of that number: hand the datagram to
    /// that loop's endpoint, which opens it again. The number is the sender's word, and nothing was counted.
    case otherShard(UInt8)
    /// A check of a path, or the answer to one (`docs/matchmaking.md` §7): opened, and not looked at. That it opened says that its
    /// sender knows a secret of the group's, or the join veil, and no more.
    case check(VeiledCheck)
}

/// An opened message that its owner reads.
public struct VeiledCheck: Equatable, Sendable {
    /// All of it, from its type on.
    public let message: [UInt8]
    /// Names the secret that it came under, for an answer.
    public let veil: VeilNumber
}

/// Which of the secrets that a `SecureEndpoint` holds.
public struct VeilNumber: Hashable, Sendable, BitwiseCopyable {
    let rawValue: Int

    /// The join veil, as long as there is one.
    public static let join = VeilNumber(rawValue: Veil.joinNumber)

    /// Whether it is the join veil: then the sender may be anybody who has a token.
    public var isJoin: Bool { rawValue == Veil.joinNumber }
}

/// What the owner of a `SecureEndpoint` must hear about.
public enum SecureEvent {
    /// The session is ready for `seal` and `open`. Session datagrams with its `receiveID` go to it from now on.
    case established(DTLSSession)
    /// The handshake failed; nothing is kept of it.
    case failed(DTLSSession, HandshakeFailure)
}
