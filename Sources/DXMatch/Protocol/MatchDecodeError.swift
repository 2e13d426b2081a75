/// Why a datagram's message or body could not be read (`docs/matchmaking.md` §2, §4). It is dropped and counted; a request that
/// was authentic is answered with a status.
public enum MatchDecodeError: Error, Equatable, Sendable, BitwiseCopyable {
    /// A type or kind that this version does not know.
    case unknownType
    /// A version that this version does not know.
    case unknownVersion
    /// Too short, or a field has a value that is not allowed.
    case malformed
}
