public import DXWire
public import NIOCore

/// What reading a stream gave.
public enum StreamRead: Sendable, Equatable {
    /// Nothing now; a `readable` event will follow.
    case none
    /// The next bytes in order, at most 64 KiB.
    case bytes(ByteBuffer)
    /// The peer finished the stream (FIN) and everything was read. Given once.
    case finished
    /// The peer reset the stream; bytes not read are gone. Given once.
    case reset(StreamCode)
}

/// Caller misuse of a stream. The channel is unharmed.
public enum StreamError: Error, Equatable, Sendable {
    /// There is no such stream, or it has ended.
    case unknownStream
    /// The peer allows no further stream now; a `streamsAvailable` event will follow.
    case streamLimit
    /// The sending half was finished or reset.
    case finished
    /// The channel is closed.
    case channelClosed
}
