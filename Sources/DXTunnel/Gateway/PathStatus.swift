/// A snapshot of one of several paths to a peer.
public struct PathStatus: Sendable, Hashable, Codable {
    /// What it is to the channel.
    public enum State: String, Sendable, Hashable, Codable {
        /// It carries what is sent; of several, what is not bulk data.
        case used
        /// It answers, and waits, or carries bulk data beside others.
        case ready
        /// It does not answer.
        case down
    }

    /// The address of ours; nil when the routing table chooses it.
    public var local: String?
    /// The peer's.
    public var remote: String
    /// What it is to the channel.
    public var state: State
    /// `primary`, `backup` or `metered`: how gladly both ends use it.
    public var preference: String
    /// Smoothed round trip in microseconds; nil until measured.
    public var rttMicroseconds: UInt64?
    /// UDP payload bytes sent over it since it began.
    public var bytesSent: UInt64
    /// UDP payload bytes received over it since it began.
    public var bytesReceived: UInt64
    /// What kind of path it is; nil of a gateway that does not say.
    public var kind: PathKind?

    /// A value from its parts.
    public init(
        local: String?, remote: String, state: State, preference: String, rttMicroseconds: UInt64?, bytesSent: UInt64,
        bytesReceived: UInt64, kind: PathKind? = nil
    ) {
        self.local = local
        self.remote = remote
        self.state = state
        self.preference = preference
        self.rttMicroseconds = rttMicroseconds
        self.bytesSent = bytesSent
        self.bytesReceived = bytesReceived
        self.kind = kind
    }

    private enum CodingKeys: String, CodingKey {
        case local, remote, state, preference, kind
        case rttMicroseconds = "rtt_us"
        case bytesSent = "bytes_sent"
        case bytesReceived = "bytes_received"
    }
}
