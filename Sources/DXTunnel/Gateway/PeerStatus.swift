/// A snapshot of one peer and the channel to it.
public struct PeerStatus: Sendable, Hashable, Codable {
    /// Where the channel stands.
    public enum State: String, Sendable, Hashable, Codable {
        /// Attempts are under way or waited for.
        case connecting
        /// A session is up.
        case connected
        /// No attempt succeeds, or the peer was heard of and is silent now.
        case down
    }

    /// The configured name.
    public var name: String
    /// The gateway id as text.
    public var id: String
    /// Where the channel stands.
    public var state: State
    /// When it came to stand there.
    public var since: Timestamp
    /// The address that datagrams go to; nil when there is no session, or when they go to another member (`forwardedBy`).
    public var remoteAddress: String?
    /// What kind of path that is; nil when there is no session.
    public var pathKind: PathKind?
    /// The name of the member through which that path leads; nil for any other path.
    public var forwardedBy: String?
    /// Smoothed round trip in microseconds (RFC 9002 §5.3); nil until measured.
    public var rttMicroseconds: UInt64?
    /// The largest UDP payload found to arrive, in bytes; nil when there is no session.
    public var mtuBytes: Int?
    /// Congestion window in bytes; nil when there is no session.
    public var congestionWindowBytes: UInt64?
    /// The congestion control in use now, `cubic` or `bbr`; nil when there is no session.
    public var congestionControl: String?
    /// Streams open now.
    public var openStreams: Int
    /// UDP payload bytes sent to the peer since the start.
    public var bytesSent: UInt64
    /// UDP payload bytes received from the peer since the start.
    public var bytesReceived: UInt64
    /// Why the last attempt or session ended; nil when none did.
    public var lastError: String?
    /// The paths that the channel has, where both ends keep several; nil where they do not.
    public var paths: [PathStatus]?
    /// What went over paths since the start, by their kind; nil of a gateway that does not say.
    public var traffic: [String: PathCounts]?
    /// Further counters since the start, such as `packets_lost`; the names say their units.
    public var counters: [String: UInt64]

    /// A value from its parts.
    public init(
        name: String, id: String, state: State, since: Timestamp, remoteAddress: String? = nil,
        pathKind: PathKind? = nil, forwardedBy: String? = nil, rttMicroseconds: UInt64? = nil, mtuBytes: Int? = nil,
        congestionWindowBytes: UInt64? = nil, congestionControl: String? = nil, openStreams: Int = 0,
        bytesSent: UInt64 = 0, bytesReceived: UInt64 = 0,
        lastError: String? = nil, counters: [String: UInt64] = [:]
    ) {
        self.name = name
        self.id = id
        self.state = state
        self.since = since
        self.remoteAddress = remoteAddress
        self.pathKind = pathKind
        self.forwardedBy = forwardedBy
        self.rttMicroseconds = rttMicroseconds
        self.mtuBytes = mtuBytes
        self.congestionWindowBytes = congestionWindowBytes
        self.congestionControl = congestionControl
        self.openStreams = openStreams
        self.bytesSent = bytesSent
        self.bytesReceived = bytesReceived
        self.lastError = lastError
        self.counters = counters
    }

    private enum CodingKeys: String, CodingKey {
        case name, id, state, since
        case remoteAddress = "remote_address"
        case pathKind = "path_kind"
        case forwardedBy = "forwarded_by"
        case rttMicroseconds = "rtt_us"
        case mtuBytes = "mtu_bytes"
        case congestionWindowBytes = "congestion_window_bytes"
        case congestionControl = "congestion_control"
        case openStreams = "open_streams"
        case bytesSent = "bytes_sent"
        case bytesReceived = "bytes_received"
        case lastError = "last_error"
        case counters, paths, traffic
    }
}
