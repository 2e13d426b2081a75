import DXWire
import Testing

@testable import DXStream

@Suite struct DeliveryRateTests {
    private let start = Instant(nanoseconds: 1_000_000_000)
    private func at(_ milliseconds: Int64) -> Instant { start + .milliseconds(milliseconds) }

    /// A packet of 1,000 bytes each 10 ms, acknowledged 100 ms later: 100,000 bytes per second.
    @Test func measuresASteadyFlow() throws {
        var rate = DeliveryRate()
        var snapshots: [DeliverySnapshot] = []
        var last: DeliverySample?
        for number in 0..<40 {
            if number >= 10 {
                _ = rate.onAcknowledged(
                    bytes: 1_000, snapshot: snapshots[number - 10], packetNumber: UInt64(number - 10),
                    sentAt: at(Int64(number - 10) * 10), now: at(Int64(number) * 10))
                last = rate.finishAck(minimumRoundTrip: .milliseconds(100), now: at(Int64(number) * 10))
            }
            snapshots.append(
                rate.snapshot(
                    inFlight: min(number + 1, 10) * 1_000, bytes: 1_000, isCalm: false, now: at(Int64(number) * 10)))
        }
        let sample = try #require(last)
        #expect(sample.rate == 100_000)
        #expect(sample.delivered == 10_000)
        #expect(sample.newlyAcknowledged == 1_000)
        #expect(sample.inFlightAtSend == 10_000)
        #expect(sample.roundTrip == .milliseconds(100))
        #expect(!sample.isApplicationLimited)
        #expect(rate.delivered == 30_000)
    }

    /// Ten packets in 90 ms, their acknowledgements all at once: the rate of sending bounds the sample.
    @Test func aBurstOfAcknowledgementsIsNoRate() throws {
        var rate = DeliveryRate()
        let snapshots = (0..<10).map {
            rate.snapshot(inFlight: ($0 + 1) * 1_000, bytes: 1_000, isCalm: false, now: at(Int64($0) * 10))
        }
        func acknowledge(_ range: Range<Int>, _ now: Instant) -> DeliverySample? {
            for number in range {
                _ = rate.onAcknowledged(
                    bytes: 1_000, snapshot: snapshots[number], packetNumber: UInt64(number),
                    sentAt: at(Int64(number) * 10), now: now)
            }
            return rate.finishAck(minimumRoundTrip: .milliseconds(10), now: now)
        }
        let burst = acknowledge(0..<10, at(100))
        let all = try #require(burst)
        // From the first sending at 0 to the acknowledgement at 100 ms; never 10,000 bytes in no time.
        #expect(all.rate == 100_000)
    }

    @Test func aShortIntervalIsNoMeasurement() throws {
        var rate = DeliveryRate()
        let snapshot = rate.snapshot(inFlight: 1_000, bytes: 1_000, isCalm: false, now: at(0))
        _ = rate.onAcknowledged(bytes: 1_000, snapshot: snapshot, packetNumber: 0, sentAt: at(0), now: at(5))
        let finished = rate.finishAck(minimumRoundTrip: .milliseconds(20), now: at(5))
        let sample = try #require(finished)
        #expect(sample.rate == nil)
        #expect(sample.newlyAcknowledged == 1_000)
        // Nothing new: no sample.
        let nothing = rate.finishAck(minimumRoundTrip: .zero, now: at(6))
        #expect(nothing == nil)
    }

    @Test func lossesSinceAPacketWasSent() {
        var rate = DeliveryRate()
        let first = rate.snapshot(inFlight: 1_000, bytes: 1_000, isCalm: false, now: at(0))
        let second = rate.snapshot(inFlight: 2_000, bytes: 1_000, isCalm: true, now: at(1))
        #expect(second.isCalm && !first.isCalm)
        _ = rate.onLost(bytes: 1_000, datagram: 1_000, snapshot: first, packetNumber: 0)
        _ = rate.onAcknowledged(bytes: 1_000, snapshot: second, packetNumber: 1, sentAt: at(1), now: at(50))
        let sample = rate.finishAck(minimumRoundTrip: .zero, now: at(50))
        #expect(sample?.lost == 1_000)
        #expect(rate.lost == 1_000)
    }

    /// A packet of several datagrams is lost with any one of them.
    @Test func aLostPacketCountsAsOneDatagram() {
        var rate = DeliveryRate()
        for (number, bytes) in [8_000, 600].enumerated() {
            let snapshot = rate.snapshot(inFlight: bytes, bytes: bytes, isCalm: false, now: at(0))
            _ = rate.onLost(bytes: bytes, datagram: 1_000, snapshot: snapshot, packetNumber: UInt64(number))
        }
        #expect(rate.lost == 1_600)
        #expect(rate.lostWhole == 8_600)
    }

    /// Samples say "limited" until what was in flight when data ran out is delivered.
    @Test func applicationLimitedUntilTheBubbleIsGone() {
        var rate = DeliveryRate()
        let before = rate.snapshot(inFlight: 1_000, bytes: 1_000, isCalm: false, now: at(0))
        rate.markApplicationLimited(inFlight: 1_000)
        let during = rate.snapshot(inFlight: 2_000, bytes: 1_000, isCalm: false, now: at(10))
        #expect(!before.isApplicationLimited && during.isApplicationLimited)
        for (number, snapshot) in [before, during].enumerated() {
            _ = rate.onAcknowledged(
                bytes: 1_000, snapshot: snapshot, packetNumber: UInt64(number), sentAt: at(Int64(number) * 10),
                now: at(100 + Int64(number)))
        }
        let sample = rate.finishAck(minimumRoundTrip: .zero, now: at(101))
        #expect(sample?.isApplicationLimited == true)
        #expect(!rate.isApplicationLimited)
    }

    @Test func packetsOfAnotherNetworkDoNotCount() {
        var rate = DeliveryRate()
        let old = rate.snapshot(inFlight: 1_000, bytes: 1_000, isCalm: false, now: at(0))
        rate.ignore(below: 5)
        let isCounted = rate.onAcknowledged(bytes: 1_000, snapshot: old, packetNumber: 4, sentAt: at(0), now: at(9))
        let isLossCounted = rate.onLost(bytes: 1_000, datagram: 1_000, snapshot: old, packetNumber: 4)
        #expect(!isCounted && !isLossCounted)
        #expect(rate.delivered == 0 && rate.lost == 0)
        // Nor do those that claim more than was ever counted.
        var strange = old
        strange.delivered = 7
        let isStrange = rate.onAcknowledged(bytes: 1_000, snapshot: strange, packetNumber: 6, sentAt: at(0), now: at(9))
        #expect(!isStrange)
    }
}
