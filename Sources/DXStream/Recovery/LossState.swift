internal import DXWire

/// What loss detection on one path remembers (RFC 9002 §6), with a reordering tolerance that learns (RFC 8985 §7.2).
struct LossState: Sendable {
    /// The largest number that the peer acknowledged.
    var largestAcknowledged: UInt64?
    /// When the earliest packet that may be lost must be declared so.
    var lossTime: Instant?
    /// When the last packet that asks for an acknowledgement was sent.
    var lastElicitingSentAt: Instant?
    /// Since when something is on the way and nothing of it was acknowledged; nil before the first acknowledgement, which may be behind
    /// all that the session before has in a queue.
    var unansweredSince: Instant?
    /// Probe timeouts in a row without an answer.
    var probeCount = 0
    /// The peer was heard after a silence and has acknowledged nothing since: waits between probes were shortened for that once.
    var wasHeardAgain = false
    /// All packets below were looked at and are not on the way.
    var cursor: UInt64 = 0
    /// A packet this many below the largest acknowledged is lost (RFC 9002 §6.1.1). Rises with spurious losses.
    private(set) var packetThreshold: UInt64 = initialPacketThreshold
    /// A packet older than this many eighths of the round trip is lost (RFC 9002 §6.1.2). Rises with spurious losses.
    private(set) var timeThresholdEighths: Int64 = 9
    /// When the present loss episode began; a packet sent later that is lost begins the next.
    private(set) var episodeStartedAt: Instant?
    /// Packets of the present episode still thought to be lost.
    private(set) var episodeLostCount = 0
    /// Numbers up to here belong to earlier episodes.
    private var episodeFloor: UInt64?

    /// RFC 9002 §6.1.1.
    private static let initialPacketThreshold: UInt64 = 3
    /// Just below DTLS's replay window of 64 records: what is later than that never opens, so waiting longer is in vain.
    private static let maximumPacketThreshold: UInt64 = 60
    /// Two round trips: RFC 8985 §7.2 bounds its window by one round trip beyond the first.
    private static let maximumTimeThresholdEighths: Int64 = 16
    /// RFC 9002 §6.1.2.
    private static let granularity = Interval.milliseconds(1)
    /// 2^6: with the first timeouts near 100 ms the last wait is a few seconds, inside any idle timeout.
    private static let maximumBackoff = 6

    /// How long after sending a packet counts as lost, once a later one was acknowledged.
    func lossDelay(rtt: RTTEstimator) -> Interval {
        max(max(rtt.latest, rtt.smoothed) * timeThresholdEighths / 8, Self.granularity)
    }

    /// A packet went out that asks for an acknowledgement; perhaps the only one that is on the way.
    mutating func onElicitingSent(isOnlyOne: Bool, now: Instant) {
        lastElicitingSentAt = now
        if isOnlyOne, largestAcknowledged != nil || unansweredSince != nil { unansweredSince = now }
    }

    /// The probe timeout with its backoff (RFC 9002 §6.2.1).
    func probeInterval(rtt: RTTEstimator, maximumAckDelay: Interval) -> Interval {
        rtt.probeTimeout(maximumAckDelay: maximumAckDelay) * (1 << Int64(min(probeCount, Self.maximumBackoff)))
    }

    /// Keeps what was learned about the network when a new session takes over the same path.
    mutating func inherit(from other: LossState) {
        packetThreshold = other.packetThreshold
        timeThresholdEighths = other.timeThresholdEighths
    }

    /// A packet was declared lost; true when that begins a new episode, in which the window must be reduced.
    mutating func onLost(sentAt: Instant, largestSent: UInt64, now: Instant) -> Bool {
        if let episodeStartedAt, sentAt <= episodeStartedAt {
            episodeLostCount &+= 1
            return false
        }
        episodeFloor = episodeStartedAt == nil ? nil : episodeEnd
        episodeEnd = largestSent
        episodeStartedAt = now
        episodeLostCount = 1
        return true
    }
    private var episodeEnd: UInt64?

    /// A packet declared lost was acknowledged after all; true when none of the present episode's losses is left, so that
    /// its reduction of the window was for nothing.
    mutating func onSpurious(_ number: UInt64, wasInEpisode: Bool) -> Bool {
        let distance = (largestAcknowledged ?? number) &- min(number, largestAcknowledged ?? number)
        packetThreshold = min(max(packetThreshold, distance &+ 1), Self.maximumPacketThreshold)
        timeThresholdEighths = min(timeThresholdEighths &+ 1, Self.maximumTimeThresholdEighths)
        guard wasInEpisode, episodeLostCount > 0, episodeFloor.map({ number > $0 }) ?? true else { return false }
        episodeLostCount &-= 1
        return episodeLostCount == 0
    }
}
