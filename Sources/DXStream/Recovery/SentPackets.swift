internal import DXWire

/// The packets sent on one path that are not settled, by number, with the obligations they carried.
///
/// A ring: numbers are given in order, so finding a packet is arithmetic. A settled packet leaves when all before it
/// have; a lost one stays for a while, because a late acknowledgement shows that the loss was spurious.
///
/// Limit: `maximumCount` packets; the channel sends nothing ack-eliciting past it.
struct SentPackets: Sendable {
    /// By packet number.
    private(set) var packets = RingBuffer<SentPacket>(filler: .filler)
    /// By count since the path began.
    private(set) var obligations = RingBuffer<Obligation>(filler: .filler)
    /// Packet numbers that were acknowledged and are still in the ring, so that the ranges an ACK repeats cost nothing.
    private var acknowledged = RangeSet()
    /// What the rate estimator had counted at each packet, by packet number; empty unless `keepsSnapshots`.
    private var snapshots = RingBuffer<DeliverySnapshot>(filler: .filler)
    /// Whether the path's congestion controller asks for snapshots: another 40 bytes for each packet.
    let keepsSnapshots: Bool
    /// Ack-eliciting packets on the way.
    private(set) var outstandingCount = 0

    /// No packet was sent yet.
    init(keepsSnapshots: Bool = false) { self.keepsSnapshots = keepsSnapshots }

    /// The most packets kept: 16 MiB of window in 256-byte packets, 1.6 MB of memory.
    static let maximumCount = 65_536
    /// With those that ask for nothing; beyond it the oldest are given up, whatever became of them.
    static let forcedCount = maximumCount + 8_192

    /// The number that the next packet gets.
    var nextNumber: UInt64 { packets.endIndex }
    /// Whether a further ack-eliciting packet may be sent.
    var hasRoom: Bool { packets.count < Self.maximumCount }
    /// The largest number that was given to a packet; nil before the first.
    var largestSent: UInt64? { packets.endIndex == 0 ? nil : packets.endIndex &- 1 }

    /// Notes an obligation of the packet under construction.
    mutating func append(_ obligation: Obligation) { obligations.append(obligation) }

    /// The number that the next obligation gets; taken before a packet is built.
    var nextObligation: UInt64 { obligations.endIndex }

    /// Notes a packet; its obligations are those appended since `packet.firstObligation` was taken.
    mutating func append(_ packet: SentPacket, snapshot: DeliverySnapshot = .filler) {
        if keepsSnapshots { snapshots.append(snapshot) }
        var packet = packet
        packet.obligationCount = UInt16(obligations.endIndex &- packet.firstObligation)
        if packet.traits.contains(.isAckEliciting) {
            outstandingCount &+= 1
        } else if packet.state == .outstanding, packet.obligationCount == 0 {
            // Nothing to make good: settled as soon as it is sent.
            packet.state = .acknowledged
            acknowledged.insert(nextNumber..<(nextNumber &+ 1))
        }
        packets.append(packet)
    }

    /// Leaves out a number (RFC 9000 §21.4).
    mutating func skipNumber(now: Instant) {
        if keepsSnapshots { snapshots.append(.filler) }
        packets.append(
            SentPacket(
                sentAt: now, firstObligation: obligations.endIndex, byteCount: 0, state: .skipped, traits: []))
    }

    /// The lowest part of `range`, from `position` on, that was not acknowledged before and is still in the ring.
    func firstUnacknowledged(in range: ClosedRange<UInt64>, from position: UInt64) -> Range<UInt64>? {
        let lower = max(range.lowerBound, packets.firstIndex)
        let upper = min(range.upperBound &+ 1, packets.endIndex)
        guard lower < upper else { return nil }
        return acknowledged.firstGap(in: lower..<upper, from: position)
    }

    /// Notes that these numbers, all in the ring, are acknowledged.
    mutating func noteAcknowledged(_ range: Range<UInt64>) { acknowledged.insert(range) }

    /// What `append` was given for a packet in the ring; nil where none are kept.
    func snapshot(of number: UInt64) -> DeliverySnapshot? { keepsSnapshots ? snapshots[number] : nil }

    /// Changes a packet's state; the number must be in the ring.
    mutating func setState(_ state: SentPacket.State, of number: UInt64) {
        let old = packets[number]
        if old.state == .outstanding && old.traits.contains(.isAckEliciting) && state != .outstanding {
            outstandingCount &-= 1
        }
        packets[number].state = state
    }

    /// Adds facts to a packet in the ring.
    mutating func addTraits(_ traits: SentPacket.Traits, to number: UInt64) { packets[number].traits.formUnion(traits) }

    /// Lets settled packets at the front go. A lost one goes when it was sent before `lostBefore`, and so does one that
    /// asked for no acknowledgement: the peer may never send one.
    mutating func forgetSettled(lostBefore: Instant) {
        while !packets.isEmpty {
            let first = packets[packets.firstIndex]
            switch first.state {
            case .outstanding where first.traits.contains(.isAckEliciting) || first.sentAt >= lostBefore:
                return finishForgetting()
            case .lost where first.sentAt >= lostBefore: return finishForgetting()
            case .outstanding, .lost, .acknowledged, .skipped: break
            }
            packets.removeFirst()
        }
        finishForgetting()
    }

    /// Lets the first packet go, which must be settled or given up.
    mutating func forgetFirst() {
        packets.removeFirst()
        finishForgetting()
    }

    private mutating func finishForgetting() {
        acknowledged.removeAll(below: packets.firstIndex)
        if keepsSnapshots { snapshots.removeFirst(Int(packets.firstIndex &- snapshots.firstIndex)) }
        let keep = packets.isEmpty ? obligations.endIndex : packets[packets.firstIndex].firstObligation
        obligations.removeFirst(Int(keep &- obligations.firstIndex))
    }
}
