/// What became of a veiled datagram.
public enum VeiledOutcome: Equatable, Sendable {
    /// It was taken: poll for datagrams to send and for events.
    case taken
    /// It was dropped without an answer, and counted.
    case dropped(VeilDrop)
    /// It belongs to a session of this other event loop: hand the datagram to that loop's endpoint.
    case otherShard(UInt8)
}

/// What the owner of a `SecureEndpoint` must hear about.
public enum SecureEvent {
    /// The session is ready for `seal` and `open`. Session datagrams with its `receiveID` go to it from now on.
    case established(DTLSSession)
    /// The handshake failed; nothing is kept of it.
    case failed(DTLSSession, HandshakeFailure)
}
