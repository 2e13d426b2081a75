import DXWire
import Testing

@testable import DXTunnel

/// What is passed on and what is not.
@Suite struct ForwarderTests {
    private static let own = PresenceTag(value: 1)
    private static let now = Instant.zero + .seconds(1_000)

    private func member(
        _ value: UInt64, isForwarded: Bool = false, capacity: Int = 1_300, queued: Int = 0
    ) -> Forwarder.Neighbour {
        Forwarder.Neighbour(
            tag: PresenceTag(value: value), isForwarded: isForwarded, capacity: capacity, queued: queued)
    }

    @Test func itPassesOnBetweenTwoMembers() {
        var forwarder = Forwarder(own: Self.own, rate: 1_000_000)
        #expect(forwarder.judge(108, from: member(2), to: PresenceTag(value: 3), member(3), now: Self.now) == nil)
        #expect(forwarder.judge(208, from: member(3), to: PresenceTag(value: 2), member(2), now: Self.now) == nil)
        #expect(forwarder.statistics.datagrams == 2 && forwarder.statistics.bytes == 300)
        // Both ways are one pair.
        #expect(forwarder.pairCount(now: Self.now) == 1)
        #expect(forwarder.isServing(PresenceTag(value: 2), now: Self.now))
        #expect(!forwarder.isServing(PresenceTag(value: 4), now: Self.now))
        #expect(!forwarder.isServing(PresenceTag(value: 2), now: Self.now + .seconds(61)))
    }

    @Test func eachBreachHasItsReason() {
        let two = PresenceTag(value: 2)
        let three = PresenceTag(value: 3)
        func refusal(
            rate: UInt64? = 1_000_000, from sender: Forwarder.Neighbour? = nil, to named: PresenceTag? = nil,
            _ receiver: Forwarder.Neighbour?
        ) -> Forwarder.Refusal? {
            var forwarder = Forwarder(own: Self.own, rate: rate)
            let refusal = forwarder.judge(100, from: sender ?? member(2), to: named, receiver, now: Self.now)
            #expect(refusal.map { forwarder.statistics.refused == [$0: 1] } ?? true)
            #expect(refusal == nil || forwarder.statistics.datagrams == 0)
            return refusal
        }
        #expect(refusal(rate: nil, to: three, member(3)) == .off)
        #expect(refusal(to: nil, nil) == .malformed)
        // Never chained: neither on from another member nor on to one.
        #expect(refusal(from: member(2, isForwarded: true), to: three, member(3)) == .chained)
        #expect(refusal(to: three, member(3, isForwarded: true)) == .chained)
        #expect(refusal(to: Self.own, nil) == .toItself)
        #expect(refusal(to: two, member(2)) == .toSender)
        #expect(refusal(to: three, nil) == .notConnected)
        #expect(refusal(to: three, member(4)) == .notConnected)
        #expect(refusal(to: three, member(3, capacity: 99)) == .tooLarge)
        #expect(refusal(to: three, member(3, capacity: 100)) == nil)
        #expect(refusal(to: three, member(3, queued: Forwarder.longestQueue - 99)) == .full)
        #expect(refusal(to: three, member(3, queued: Forwarder.longestQueue - 100)) == nil)
    }

    /// Bytes that got through in a span, of datagrams sent without end by so many pairs.
    private func carried(_ forwarder: inout Forwarder, pairs: UInt64, over span: Interval) -> Int {
        var bytes = 0
        var now = Self.now
        while now < Self.now + span {
            for pair in 0..<pairs {
                let (sender, receiver) = (member(100 + pair), member(10_000 + pair))
                while forwarder.judge(1_000, from: sender, to: receiver.tag, receiver, now: now) == nil {
                    bytes += 1_000
                }
            }
            now = now + .milliseconds(10)
        }
        return bytes
    }

    /// A pair gets half, all together get the whole, after what a bucket holds.
    @Test func ratesHold() {
        var one = Forwarder(own: Self.own, rate: 8_000_000)
        let ofOne = carried(&one, pairs: 1, over: .seconds(10))
        #expect((5_000_000...5_200_000).contains(ofOne))
        #expect(one.statistics.refused[.rate] ?? 0 > 0)
        var many = Forwarder(own: Self.own, rate: 8_000_000)
        let ofMany = carried(&many, pairs: 8, over: .seconds(10))
        #expect((10_000_000...10_300_000).contains(ofMany))
    }

    /// Small datagrams count as more than they are.
    @Test func smallOnesAreNotFree() {
        var forwarder = Forwarder(own: Self.own, rate: 64_000)
        var count = 0
        while forwarder.judge(20, from: member(2), to: PresenceTag(value: 3), member(3), now: Self.now) == nil {
            count += 1
        }
        #expect(count == (64 << 10) / Forwarder.leastCost)
    }

    /// Pairs without end cost no memory; those at rest make room.
    @Test func pairsAreBounded() {
        var forwarder = Forwarder(own: Self.own, rate: 100_000_000_000)
        var now = Self.now
        func pass(_ value: UInt64) -> Forwarder.Refusal? {
            forwarder.judge(100, from: member(2), to: PresenceTag(value: value), member(value), now: now)
        }
        for value in 0..<UInt64(Forwarder.mostPairs) { #expect(pass(1_000 + value) == nil) }
        #expect(pass(1_000_000) == .rate)
        #expect(pass(1_000) == nil)
        now = now + .seconds(61)
        #expect(pass(1_000_000) == nil)
        #expect(forwarder.pairCount(now: now) == 1)
    }
}
