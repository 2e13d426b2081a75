/// Why a socket could not be opened and bound. The description is for the user and says what to do.
public struct BindError: Error, Hashable, Sendable {
    /// The address and port, as they would stand in a configuration file.
    public var address: String
    /// The kind of failure.
    public var reason: Reason
    /// The kernel's errno.
    public var errnoCode: Int32

    /// The kinds of failure a user can tell apart.
    public enum Reason: Sendable {
        /// Another socket has the port.
        case portInUse
        /// No interface of this host has the address.
        case addressNotAvailable
        /// Ports below 1024 need a privilege.
        case notPermitted
        /// Neither IPv4 nor IPv6, whichever was asked for, exists here.
        case familyUnavailable
        /// Anything else: out of file descriptors, out of memory.
        case system
    }
}
