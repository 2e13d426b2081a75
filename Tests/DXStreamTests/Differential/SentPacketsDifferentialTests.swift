import DXSimulator
import DXWire
import Testing

@testable import DXStream

/// `SentPackets` (a ring by packet number) against a dictionary: random sends, skips, acknowledgements, losses.
@Suite struct SentPacketsDifferentialTests {
    private struct Model {
        var packets: [UInt64: (packet: SentPacket, obligations: [UInt64])] = [:]
        var next: UInt64 = 0
        var nextObligation: UInt64 = 0
        var outstanding: Int {
            packets.values.count { $0.packet.state == .outstanding && $0.packet.traits.contains(.isAckEliciting) }
        }
    }

    @Test func agreesWithADictionary() throws {
        try Replay.run("SentPacketsDifferentialTests", seeds: Replay.seeds(count: 10)) { seed, _ in
            var random = RandomSource(seed: seed)
            var sent = SentPackets()
            var model = Model()
            var now = Instant.zero
            for step in 0..<800 {
                now += .microseconds(Int64(random.below(2_000)))
                switch random.below(12) {
                case 0..<6: Self.send(&sent, &model, random: &random, now: now)
                case 6:
                    sent.skipNumber(now: now)
                    model.packets[model.next] = (
                        SentPacket(
                            sentAt: now, firstObligation: 0, byteCount: 0, state: .skipped, traits: []), []
                    )
                    model.next += 1
                case 7..<10: try Self.acknowledge(&sent, &model, random: &random)
                case 10: Self.lose(&sent, &model, random: &random)
                default: sent.forgetSettled(lostBefore: now - .milliseconds(20))
                }
                // Comparing all is most of the cost; what is settled and forgotten is dropped from the model.
                if step % 10 == 0 {
                    try Self.compare(sent, model, step: step)
                    model.packets = model.packets.filter { $0.key >= sent.packets.firstIndex }
                }
            }
        }
    }

    private static func send(_ sent: inout SentPackets, _ model: inout Model, random: inout RandomSource, now: Instant)
    {
        let isEliciting = random.chance(0.8)
        let first = sent.nextObligation
        var ids: [UInt64] = []
        for _ in 0..<(random.chance(0.7) ? random.below(4) : 0) {
            model.nextObligation += 1
            ids.append(model.nextObligation)
            sent.append(Obligation(kind: isEliciting ? .streamData : .ack, id: model.nextObligation))
        }
        var packet = SentPacket(
            sentAt: now, firstObligation: first, byteCount: UInt16(40 + random.below(1_400)),
            traits: isEliciting ? .isAckEliciting : [])
        sent.append(packet)
        if !isEliciting && ids.isEmpty { packet.state = .acknowledged }
        model.packets[model.next] = (packet, ids)
        model.next += 1
    }

    /// Applies a range as an ACK does: every number that is new, and only those.
    private static func acknowledge(_ sent: inout SentPackets, _ model: inout Model, random: inout RandomSource) throws
    {
        guard model.next > 0 else { return }
        let upper = model.next - 1 - random.below(min(model.next, 20))
        let range = (upper - random.below(min(upper + 1, 30)))...upper
        var seen: [UInt64] = []
        var position = range.lowerBound
        while let gap = sent.firstUnacknowledged(in: range, from: position) {
            for number in gap where sent.packets[number].state != .skipped {
                seen.append(number)
                sent.setState(.acknowledged, of: number)
            }
            sent.noteAcknowledged(gap)
            position = gap.upperBound
        }
        let held = sent.packets.firstIndex
        let expected = range.filter { number in
            guard number >= held, let entry = model.packets[number] else { return false }
            return entry.packet.state == .outstanding || entry.packet.state == .lost
        }
        try SimulationFailure.unless(seen == expected, "ACK of \(range) found \(seen), not \(expected)")
        for number in seen { model.packets[number]!.packet.state = .acknowledged }
    }

    private static func lose(_ sent: inout SentPackets, _ model: inout Model, random: inout RandomSource) {
        for number in sent.packets.firstIndex..<sent.packets.endIndex
        where sent.packets[number].state == .outstanding && random.chance(0.1) {
            sent.setState(.lost, of: number)
            model.packets[number]!.packet.state = .lost
        }
    }

    private static func compare(_ sent: SentPackets, _ model: Model, step: Int) throws {
        func check(_ condition: Bool, _ what: String) throws {
            try SimulationFailure.unless(condition, "step \(step): \(what)")
        }
        try check(sent.nextNumber == model.next, "next number \(sent.nextNumber), not \(model.next)")
        try check(sent.outstandingCount == model.outstanding, "outstanding \(sent.outstandingCount)")
        try check(sent.largestSent == (model.next == 0 ? nil : model.next - 1), "largest sent")
        let first = sent.packets.firstIndex
        for (number, entry) in model.packets where number >= first {
            let packet = sent.packets[number]
            try check(
                packet.state == entry.packet.state && packet.sentAt == entry.packet.sentAt
                    && packet.byteCount == entry.packet.byteCount && packet.traits == entry.packet.traits,
                "packet \(number) is \(packet), not \(entry.packet)")
            let ids = (0..<UInt64(packet.obligationCount)).map { sent.obligations[packet.firstObligation + $0].id }
            try check(ids == entry.obligations, "packet \(number) owes \(ids), not \(entry.obligations)")
        }
        // Nothing that may still matter was forgotten.
        for (number, entry) in model.packets where number < first {
            let isOutstanding = entry.packet.state == .outstanding && entry.packet.traits.contains(.isAckEliciting)
            try check(!isOutstanding, "outstanding packet \(number) was forgotten")
        }
    }
}
