import DXStream

/// What went over paths of one kind to a peer, since the start.
public struct PathCounts: Sendable, Hashable, Codable {
    /// Packets sent.
    public var packetsSent: UInt64 = 0
    /// Packets received, without duplicates.
    public var packetsReceived: UInt64 = 0
    /// Packets sent and declared lost.
    public var packetsLost: UInt64 = 0
    /// Of these, packets that had arrived after all.
    public var packetsSpuriouslyLost: UInt64 = 0
    /// UDP payload bytes sent.
    public var bytesSent: UInt64 = 0
    /// UDP payload bytes received.
    public var bytesReceived: UInt64 = 0
    /// How often nothing was heard in time (RFC 9002 §6.2).
    public var probeTimeouts: UInt64 = 0
    /// How often the congestion window was reduced.
    public var congestionEvents: UInt64 = 0

    /// Nothing.
    public init() {}

    /// The same of one path, or of several.
    init(_ statistics: PathStatistics) {
        packetsSent = statistics.packetsSent
        packetsReceived = statistics.packetsReceived
        packetsLost = statistics.packetsLost
        packetsSpuriouslyLost = statistics.packetsSpuriouslyLost
        bytesSent = statistics.bytesSent
        bytesReceived = statistics.bytesReceived
        probeTimeouts = statistics.probeTimeouts
        congestionEvents = statistics.congestionEvents
    }

    mutating func add(_ other: PathCounts) { combine(other, &+) }

    /// Both together.
    package func adding(_ other: PathCounts) -> PathCounts {
        var result = self
        result.add(other)
        return result
    }

    /// Less what was there before; counts do not fall, and never below zero here.
    func subtracting(_ other: PathCounts) -> PathCounts {
        var result = self
        result.combine(other) { $0 > $1 ? $0 &- $1 : 0 }
        return result
    }

    private mutating func combine(_ other: PathCounts, _ body: (UInt64, UInt64) -> UInt64) {
        packetsSent = body(packetsSent, other.packetsSent)
        packetsReceived = body(packetsReceived, other.packetsReceived)
        packetsLost = body(packetsLost, other.packetsLost)
        packetsSpuriouslyLost = body(packetsSpuriouslyLost, other.packetsSpuriouslyLost)
        bytesSent = body(bytesSent, other.bytesSent)
        bytesReceived = body(bytesReceived, other.bytesReceived)
        probeTimeouts = body(probeTimeouts, other.probeTimeouts)
        congestionEvents = body(congestionEvents, other.congestionEvents)
    }

    private enum CodingKeys: String, CodingKey {
        case packetsSent = "packets_sent"
        case packetsReceived = "packets_received"
        case packetsLost = "packets_lost"
        case packetsSpuriouslyLost = "packets_spuriously_lost"
        case bytesSent = "bytes_sent"
        case bytesReceived = "bytes_received"
        case probeTimeouts = "probe_timeouts"
        case congestionEvents = "congestion_events"
    }
}
