internal import DXWire

/// The packets received on one path, and when they must be acknowledged (RFC 9000 §13.2).
///
/// One ACK goes out per receive batch: the driver hands over a whole batch before it polls for output. A single packet
/// alone waits up to the maximum ack delay; the second, one out of order, or one marked "congestion experienced" makes the
/// acknowledgement due at once.
///
/// Limit: `AckFrame.maximumRangeCount` ranges; the lowest are forgotten, and what arrives below them counts as a duplicate.
struct ReceivedPackets: Sendable {
    private(set) var numbers = RangeSet()
    /// When the largest number arrived.
    private(set) var largestReceivedAt: Instant = .zero
    /// Totals by ECN mark.
    private(set) var ecn = ECNCounts()
    /// Ack-eliciting packets since the last ACK was sent.
    private(set) var unacknowledgedCount = 0
    /// When an ACK must go out; nil when none is owed.
    private(set) var ackDeadline: Instant?
    /// The path was left because it does not answer: what arrived on it is said once more on the one that took over.
    private(set) var isDueElsewhere = false
    /// Everything below was forgotten.
    private var floor: UInt64 = 0

    /// How many ack-eliciting packets make an ACK due at once: RFC 9000 §13.2.2.
    private static let threshold = 2

    /// The largest number received.
    var largest: UInt64? { numbers.last }
    /// Whether an ACK would tell the peer anything that it asked for, or may not have heard.
    var hasUnacknowledged: Bool { unacknowledgedCount > 0 || isDueElsewhere }

    /// Whether the number was received before, or is so old that it must be taken as such.
    func isDuplicate(_ number: UInt64) -> Bool { number < floor || numbers.contains(number) }

    /// Notes a packet whose frames were all applied.
    mutating func onReceived(
        _ number: UInt64, isAckEliciting: Bool, ecn mark: ECNMark, maximumAckDelay: Interval, now: Instant
    ) {
        let previous = numbers.last
        numbers.insert(number..<(number &+ 1))
        if numbers.rangeCount > AckFrame.maximumRangeCount {
            numbers.keepHighest(AckFrame.maximumRangeCount)
            floor = max(floor, numbers.first ?? 0)
        }
        if previous.map({ number > $0 }) ?? true { largestReceivedAt = now }
        switch mark {
        case .notECT: break
        case .ect0: ecn.ect0 &+= 1
        case .ect1: ecn.ect1 &+= 1
        case .ce: ecn.ce &+= 1
        }
        guard isAckEliciting else { return }
        unacknowledgedCount &+= 1
        let isInOrder = previous.map { number == $0 &+ 1 } ?? true
        if unacknowledgedCount >= Self.threshold || !isInOrder || mark == .ce {
            ackDeadline = now
        } else if ackDeadline == nil {
            ackDeadline = now + maximumAckDelay
        }
    }

    /// Whether an ACK must be sent now.
    func isAckDue(now: Instant) -> Bool { ackDeadline.map { $0 <= now } ?? false }

    /// Acknowledgements that went on this path may not have arrived: whoever sent what came here would send it again.
    mutating func repeatElsewhere() { isDueElsewhere = numbers.last != nil }

    /// An ACK of everything received was put into a packet.
    mutating func onAckSent() {
        isDueElsewhere = false
        unacknowledgedCount = 0
        ackDeadline = nil
    }

    /// The peer has an ACK that reached up to `number`: it need not be told of those again (RFC 9000 §13.2.4). The newest
    /// numbers stay, because those missing among them may still arrive late and are no duplicates then.
    mutating func forget(upTo number: UInt64) {
        guard let largest = numbers.last, largest >= Self.remembered else { return }
        let bound = min(number &+ 1, largest &- Self.remembered &+ 1)
        guard bound > floor else { return }
        floor = bound
        numbers.removeAll(below: bound)
    }

    /// DTLS's replay window: a record 64 or more below the newest never opens, so nothing older can arrive.
    private static let remembered: UInt64 = 64

    /// Appends an ACK frame of the newest ranges that fit into `room` bytes; returns the largest number, or nil when not
    /// even one range fits.
    @_lifetime(output: copy output)
    func writeAck(pathID: PathID, room: Int, now: Instant, to output: inout OutputRawSpan) -> UInt64? {
        guard let top = numbers.ranges.last, room >= FrameSize.ackHeadMaximum else { return nil }
        let fitting = 1 + (room - FrameSize.ackHeadMaximum) / FrameSize.ackRangeMaximum
        let count = min(numbers.rangeCount, fitting, AckFrame.maximumRangeCount)
        let hasECN = ecn != ECNCounts()
        output.writeAckHead(
            pathID: pathID, largest: top.upperBound &- 1, delay: now - largestReceivedAt, rangeCount: count,
            firstRangeLength: top.upperBound &- 1 &- top.lowerBound, hasECN: hasECN)
        var smallest = top.lowerBound
        var index = numbers.rangeCount &- 2
        for _ in 1..<max(count, 1) {
            let range = numbers.ranges[index]
            output.writeAckRange(
                gap: smallest &- range.upperBound &- 1, length: range.upperBound &- 1 &- range.lowerBound)
            smallest = range.lowerBound
            index &-= 1
        }
        if hasECN { output.writeAckECN(ecn) }
        return top.upperBound &- 1
    }
}
