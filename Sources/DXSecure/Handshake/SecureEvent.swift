/// What became of a veiled datagram.
public enum VeiledOutcome: Equatable, Sendable {
    /// It was taken: poll for datagrams to send and for events.
    case taken
    /// It was dropped without an answer, and counted.
    case dropped(VeilDrop)
    /// It belongs to a peer or a session of this other event loop, if there is one of that number: hand the datagram to
    /// that loop's endpoint, which opens it again. The number is the sender's word, and nothing was counted.
    case otherShard(UInt8)
}

/// What the owner of a `SecureEndpoint` must hear about.
public enum SecureEvent {
    /// The session is ready for `seal` and `open`. Session datagrams with its `receiveID` go to it from now on.
    case established(DTLSSession)
    /// The handshake failed; nothing is kept of it.
    case failed(DTLSSession, HandshakeFailure)
}
