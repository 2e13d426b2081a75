/// Why this gateway takes no new connection or flow now. The other end hears `StreamCode.limit` of each; which it was is said here, in
/// the log, the audit record and status.
enum ConnectionRefusal: Equatable, Sendable {
    /// The tunnel or the gateway has as many open as may be.
    case connections
    /// The gateway holds as many bytes as it may.
    case memory
    /// This peer holds its part of them.
    case peerMemory(String)
    /// No file descriptors are left.
    case descriptors

    /// Why, in words; the setting that it can be changed by is named.
    var reason: String {
        switch self {
        case .connections: "as many connections are open as may be"
        case .memory: "memory is full: as much tunnel data waits as may (limits: memory)"
        case .peerMemory(let peer): "memory is short, and what waits of \(peer) is its part (limits: memory)"
        case .descriptors: "no file descriptors are left (RLIMIT_NOFILE)"
        }
    }
}
