import DXWire

/// What the rate estimator had counted when a packet was sent; kept beside the packet until it is acknowledged or lost.
/// Trivial, 40 bytes; kept only on paths whose controller asks for it (`CongestionController.measuresDelivery`).
public struct DeliverySnapshot: Sendable, BitwiseCopyable {
    /// Bytes delivered up to then (P.delivered of the BBR draft, §4.1.2).
    var delivered: UInt64
    /// Bytes lost up to then (P.lost), as `DeliveryRate.lost` counts them.
    var lost: UInt64
    /// When the last of the delivered bytes were acknowledged (P.delivered_time).
    var deliveredAt: Instant
    /// When the packet was sent whose acknowledgement was the last one then (P.first_send_time).
    var firstSentAt: Instant
    /// Bytes in flight with this packet (P.tx_in_flight); more than 4 GiB count as that.
    var inFlight: UInt32
    /// The path had been idle for want of data within the last round (P.is_app_limited).
    var isApplicationLimited: Bool
    /// Sent while the controller held back on purpose, below what the path delivers: what is lost then is lost by chance.
    var isCalm: Bool

    /// Fills unused places of a ring.
    static let filler = DeliverySnapshot(
        delivered: 0, lost: 0, deliveredAt: .zero, firstSentAt: .zero, inFlight: 0, isApplicationLimited: false,
        isCalm: false)
}

/// What one ACK says about the path.
struct DeliverySample: Sendable, BitwiseCopyable {
    /// Bytes per second at which the path delivered over the last flight; nil when the interval is too short to tell.
    var rate: Double?
    /// Bytes delivered over the sampled interval, about one round trip.
    var delivered: Int
    /// Bytes that this ACK newly acknowledged.
    var newlyAcknowledged: Int
    /// What had been delivered when the newest of the acknowledged packets was sent: tells rounds apart.
    var priorDelivered: UInt64
    /// Bytes found lost since that packet was sent, as `DeliveryRate.lost` counts them.
    var lost: Int
    /// Bytes in flight when it was sent.
    var inFlightAtSend: Int
    /// The rate may be less than the path has, for want of data.
    var isApplicationLimited: Bool
    /// The round trip of that packet: the shortest that this ACK shows.
    var roundTrip: Interval
}

/// Measures how fast a path delivers (draft-ietf-ccwg-bbr §4.1, before draft-cheng-iccrg-delivery-rate-estimation).
///
/// Each packet takes a snapshot of the counters along. When it is acknowledged, what was delivered since then, over the
/// longer of the time that sending and that acknowledging took, is the rate: neither a burst of acknowledgements nor one
/// of packets makes it too high. One sample for each ACK, from the newest packet that it acknowledges.
///
/// Constant size and time; no allocation. Input is total: times that run backwards give no sample.
struct DeliveryRate: Sendable, BitwiseCopyable {
    /// Bytes acknowledged since the beginning (C.delivered).
    private(set) var delivered: UInt64 = 0
    /// Bytes that the path lost since the beginning (C.lost): one datagram of each packet declared lost. A packet of
    /// several datagrams is lost with any one of them, and most often just one was: its whole size would make a path seem
    /// to lose several times as much as it does.
    private(set) var lost: UInt64 = 0
    /// Bytes of all packets declared lost since the beginning.
    private(set) var lostWhole: UInt64 = 0
    /// When `delivered` last rose.
    private var deliveredAt = Instant.zero
    /// When the newest acknowledged packet was sent, or the first one after idleness.
    private var firstSentAt = Instant.zero
    /// Samples are application-limited until this many bytes are delivered (C.app_limited).
    private var applicationLimitedUntil: UInt64?
    /// Packets numbered below were sent before this estimator existed.
    private var firstNumber: UInt64 = 0

    // Of the ACK that is being processed.
    private var newest: DeliverySnapshot?
    private var newestNumber: UInt64 = 0
    private var newestSentAt = Instant.zero
    private var newlyAcknowledged = 0

    /// A sender that had nothing to send within the last round.
    var isApplicationLimited: Bool { applicationLimitedUntil != nil }

    /// Snapshots of packets numbered below are of another estimator: a path whose address changed measures anew.
    mutating func ignore(below number: UInt64) { firstNumber = number }

    /// A new session goes on over the same path: nothing is in flight, numbers begin anew.
    mutating func beginSession() {
        applicationLimitedUntil = nil
        firstNumber = 0
        newest = nil
        newlyAcknowledged = 0
    }

    /// Takes the snapshot of a packet that is being sent; `inFlight` includes it.
    mutating func snapshot(inFlight: Int, bytes: Int, isCalm: Bool, now: Instant) -> DeliverySnapshot {
        if inFlight <= bytes {
            // Nothing was on the way: the interval begins here, not with the last acknowledgement.
            firstSentAt = now
            deliveredAt = now
        }
        return DeliverySnapshot(
            delivered: delivered, lost: lost, deliveredAt: deliveredAt, firstSentAt: firstSentAt,
            inFlight: UInt32(clamping: inFlight), isApplicationLimited: isApplicationLimited, isCalm: isCalm)
    }

    /// There was nothing to send although the window had room.
    mutating func markApplicationLimited(inFlight: Int) {
        applicationLimitedUntil = max(delivered &+ UInt64(max(0, inFlight)), 1)
    }

    /// A packet was acknowledged for the first time. False when its snapshot is of another estimator.
    mutating func onAcknowledged(
        bytes: Int, snapshot: DeliverySnapshot, packetNumber: UInt64, sentAt: Instant, now: Instant
    ) -> Bool {
        guard packetNumber >= firstNumber, snapshot.delivered <= delivered, snapshot.lost <= lost else { return false }
        delivered &+= UInt64(bytes)
        deliveredAt = now
        newlyAcknowledged += bytes
        guard newest == nil || packetNumber > newestNumber else { return true }
        newest = snapshot
        newestNumber = packetNumber
        newestSentAt = sentAt
        firstSentAt = sentAt
        return true
    }

    /// A packet of `bytes` bytes, in datagrams of up to `datagram` bytes, was declared lost. False when its snapshot is of
    /// another estimator.
    mutating func onLost(bytes: Int, datagram: Int, snapshot: DeliverySnapshot, packetNumber: UInt64) -> Bool {
        guard packetNumber >= firstNumber, snapshot.lost <= lost, snapshot.delivered <= delivered else { return false }
        lost &+= UInt64(min(bytes, datagram))
        lostWhole &+= UInt64(bytes)
        return true
    }

    /// The sample of an ACK, after all its packets were taken in and the losses that it shows; nil when it acknowledged
    /// nothing new. An interval below `minimumRoundTrip` is a burst of acknowledgements and gives no rate.
    mutating func finishAck(minimumRoundTrip: Interval, now: Instant) -> DeliverySample? {
        if let until = applicationLimitedUntil, delivered > until { applicationLimitedUntil = nil }
        guard let newest else { return nil }
        defer {
            self.newest = nil
            newlyAcknowledged = 0
        }
        let sending = newestSentAt - newest.firstSentAt
        let acknowledging = deliveredAt - newest.deliveredAt
        let interval = max(sending, acknowledging)
        let amount = Int(clamping: delivered &- newest.delivered)
        let isMeasurable = interval > .zero && interval >= minimumRoundTrip && sending >= .zero
        return DeliverySample(
            rate: isMeasurable ? min(Double(amount) / (Double(interval.nanoseconds) * 1e-9), Self.largestRate) : nil,
            delivered: amount, newlyAcknowledged: newlyAcknowledged, priorDelivered: newest.delivered,
            lost: Int(clamping: lost &- newest.lost), inFlightAtSend: Int(newest.inFlight),
            isApplicationLimited: newest.isApplicationLimited,
            roundTrip: max(now - newestSentAt, .nanoseconds(1)))
    }

    /// 1 TB/s, as the pacer: it bounds what arithmetic has to hold.
    static let largestRate = 1e12
}
