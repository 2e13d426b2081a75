/// Why bytes from the network could not be read. Trivial and without text: it is made on the hot path, by anyone who
/// can send a datagram. Whoever receives it drops the datagram and counts it, or closes the channel when the bytes were
/// authenticated.
public enum DecodeError: Error, Equatable, Sendable {
    /// The bytes ended before the field did.
    case truncated
    /// A field has a value that `docs/wire-format.md` does not allow.
    case invalidValue
    /// A frame type below 64 that this version does not know (`docs/wire-format.md` §6).
    case unknownFrame
    /// A packet without a frame, or whose first byte is not a transport packet's (`docs/wire-format.md` §5).
    case notAPacket
}
