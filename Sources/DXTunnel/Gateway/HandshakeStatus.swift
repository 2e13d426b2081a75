/// DTLS handshakes with peers and those who join, since the start.
public struct HandshakeStatus: Sendable, Hashable, Codable {
    /// Begun, by this gateway or the other.
    public var started: UInt64
    /// Ended with a session.
    public var established: UInt64
    /// Ended without one: no answer in time, a wrong key, a mistake.
    public var failed: UInt64

    /// Takes in what another event loop of the gateway counted.
    mutating func add(_ other: HandshakeStatus) {
        started &+= other.started
        established &+= other.established
        failed &+= other.failed
    }
}
