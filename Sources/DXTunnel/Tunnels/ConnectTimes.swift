import DXWire

/// How long the target of a tunnel took to accept connections: a count for each class of times.
///
/// Thirteen comparisons at most for each connection, and some 150 bytes for each tunnel.
public struct ConnectTimes: Sendable, Hashable, Codable {
    /// The upper ends of the classes but the last, in seconds, rising: from a target on the same host to the longest `connect_timeout` that
    /// is usual.
    public static let boundsSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

    /// How many took so long, by class: one more than there are bounds.
    public private(set) var counts: [UInt64]
    /// All of them together, in seconds.
    public private(set) var totalSeconds: Double

    /// None yet.
    public init() {
        counts = Array(repeating: 0, count: Self.boundsSeconds.count + 1)
        totalSeconds = 0
    }

    /// How many there were.
    public var count: UInt64 { counts.reduce(0, &+) }

    /// One more.
    mutating func note(_ time: Interval) {
        let seconds = max(0, time.secondsAsDouble)
        counts[Self.boundsSeconds.firstIndex { seconds <= $0 } ?? Self.boundsSeconds.count] &+= 1
        totalSeconds += seconds
    }

    /// Takes in what another event loop of the gateway counted.
    mutating func add(_ other: ConnectTimes) {
        for index in counts.indices where index < other.counts.count { counts[index] &+= other.counts[index] }
        totalSeconds += other.totalSeconds
    }

    private enum CodingKeys: String, CodingKey {
        case counts
        case totalSeconds = "total_seconds"
    }
}
