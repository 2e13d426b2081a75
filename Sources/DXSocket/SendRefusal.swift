public import DXWire

/// A datagram that the kernel refused to send: it was dropped and counted, its neighbours went out.
public struct SendRefusal: Hashable, Sendable, BitwiseCopyable {
    /// Where it should have gone.
    public var destination: Endpoint
    /// Its size in bytes.
    public var byteCount: Int
    /// The kernel's errno.
    public var errnoCode: Int32
    /// What that errno means to a path.
    public var reason: Reason

    /// The kinds of refusal a caller may act on.
    public enum Reason: Sendable, BitwiseCopyable {
        /// Larger than the interface's MTU (EMSGSIZE). A probe of path MTU discovery failed; the path lives.
        case tooLarge
        /// No route, no such host or network (ENETUNREACH, EHOSTUNREACH, ENETDOWN, EHOSTDOWN).
        case unreachable
        /// Not allowed: broadcast without permission, or a packet filter (EACCES, EPERM).
        case notPermitted
        /// The pinned source address is not this host's (EADDRNOTAVAIL, EINVAL with a source, ENODEV).
        case badSource
        /// The destination can not be sent to (EINVAL, EAFNOSUPPORT): port 0 and the like.
        case badDestination
        /// Anything else.
        case other
    }
}
