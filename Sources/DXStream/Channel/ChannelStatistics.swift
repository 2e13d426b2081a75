public import DXWire

/// What happened on one path so far.
public struct PathStatistics: Sendable, BitwiseCopyable {
    /// Packets sent.
    public var packetsSent: UInt64 = 0
    /// Of these, packets that went in several datagrams.
    public var packetsFragmented: UInt64 = 0
    /// Datagram bytes sent.
    public var bytesSent: UInt64 = 0
    /// Packets received, without duplicates.
    public var packetsReceived: UInt64 = 0
    /// Datagram bytes received.
    public var bytesReceived: UInt64 = 0
    /// Packets declared lost.
    public var packetsLost: UInt64 = 0
    /// Packets declared lost that had arrived after all.
    public var packetsSpuriouslyLost: UInt64 = 0
    /// Probe timeouts.
    public var probeTimeouts: UInt64 = 0
    /// Times that the congestion window was reduced.
    public var congestionEvents: UInt64 = 0
    /// Times that persistent congestion was seen.
    public var persistentCongestion: UInt64 = 0
    /// Times that an MTU black hole was seen.
    public var blackHoles: UInt64 = 0

    /// Nothing yet.
    public init() {}

    /// Takes in what another path counted.
    mutating func add(_ other: PathStatistics) {
        packetsSent &+= other.packetsSent
        packetsFragmented &+= other.packetsFragmented
        bytesSent &+= other.bytesSent
        packetsReceived &+= other.packetsReceived
        bytesReceived &+= other.bytesReceived
        packetsLost &+= other.packetsLost
        packetsSpuriouslyLost &+= other.packetsSpuriouslyLost
        probeTimeouts &+= other.probeTimeouts
        congestionEvents &+= other.congestionEvents
        persistentCongestion &+= other.persistentCongestion
        blackHoles &+= other.blackHoles
    }
}

/// What one path is like now.
public struct PathSnapshot: Sendable {
    /// The path.
    public var id: PathID
    /// Whether data goes there.
    public var isActive: Bool
    /// The smoothed round trip; nil before the first measurement.
    public var roundTrip: Interval?
    /// The smallest round trip seen; nil before the first measurement.
    public var minimumRoundTrip: Interval?
    /// The variation of the round trip.
    public var variation: Interval
    /// The congestion window, in bytes.
    public var windowBytes: Int
    /// Bytes on the way.
    public var bytesInFlight: Int
    /// The slow start threshold, in bytes, once there is one.
    public var slowStartThreshold: Int?
    /// The congestion controller in use; with `CongestionAlgorithm.automatic` it changes.
    public var algorithm: CongestionAlgorithm
    /// How fast the path delivers, in bytes per second; nil where it is not measured, or not yet.
    public var deliveryRate: UInt64?
    /// The part of packets that the path is thought to lose by chance, 0 to 0.1; known only where BBR is in use, else 0.
    public var ambientLoss: Double
    /// The largest datagram that is known to pass, in bytes of UDP payload.
    public var mtu: Int
    /// Whether packets are marked ECT(0).
    public var marksECN: Bool
    /// Probe timeouts in a row without an answer.
    public var probeCount: Int
    /// How gladly both ends use it.
    public var preference: PathPreference
    /// Whether it does not answer, and others are used instead.
    public var isDown: Bool
    /// Counts since the path began.
    public var statistics: PathStatistics
}

/// What happened on a channel so far.
public struct ChannelStatistics: Sendable, BitwiseCopyable {
    /// Datagram bytes sent, over all paths.
    public var bytesSent: UInt64 = 0
    /// Datagram bytes received, over all paths.
    public var bytesReceived: UInt64 = 0
    /// Packets that repeated a number.
    public var packetsDuplicate: UInt64 = 0
    /// Packets that were refused whole, because a limit on early pieces of a stream was reached.
    public var packetsRefused: UInt64 = 0
    /// Streams that this end opened.
    public var streamsOpened: UInt64 = 0
    /// Streams that the peer opened.
    public var streamsAccepted: UInt64 = 0
    /// Stream bytes sent, without repeats.
    public var streamBytesSent: UInt64 = 0
    /// Stream bytes sent again.
    public var streamBytesRetransmitted: UInt64 = 0
    /// Stream bytes that arrived for the first time.
    public var streamBytesReceived: UInt64 = 0
    /// Unreliable messages dropped because the queue was full or they did not fit.
    public var messagesDropped: UInt64 = 0

    /// Nothing yet.
    public init() {}
}
