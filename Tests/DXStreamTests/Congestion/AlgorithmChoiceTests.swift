import DXWire
import Testing

@testable import DXStream

@Suite struct AlgorithmChoiceTests {
    private let base = Interval.milliseconds(80)

    private func rtt(_ samples: [Interval]) -> RTTEstimator {
        var rtt = RTTEstimator()
        for sample in samples { rtt.update(sample: sample, ackDelay: .zero, maximumAckDelay: .zero) }
        return rtt
    }
    private var quiet: RTTEstimator { rtt([base, .milliseconds(82), .milliseconds(81)]) }
    private var queued: RTTEstimator { rtt([base] + Array(repeating: .milliseconds(130), count: 20)) }

    private func sample(roundTrip: Interval, priorDelivered: UInt64) -> DeliverySample {
        DeliverySample(
            rate: 1_000_000, delivered: 80_000, newlyAcknowledged: 1_200, priorDelivered: priorDelivered, lost: 0,
            inFlightAtSend: 80_000, isApplicationLimited: false, roundTrip: roundTrip)
    }
    /// Counters that say that `count` packets of 1,200 bytes were delivered, and `lost` lost.
    private func delivery(_ count: Int, lost: Int = 0) -> DeliveryRate {
        var delivery = DeliveryRate()
        for number in 0..<(count + lost) {
            let snapshot = delivery.snapshot(inFlight: 0, bytes: 1_200, isCalm: false, now: .zero)
            if number < count {
                _ = delivery.onAcknowledged(
                    bytes: 1_200, snapshot: snapshot, packetNumber: UInt64(number), sentAt: .zero, now: .zero)
            } else {
                _ = delivery.onLost(bytes: 1_200, datagram: 1_200, snapshot: snapshot, packetNumber: UInt64(number))
            }
        }
        return delivery
    }
    private func verdict(_ choice: inout AlgorithmChoice, after delivered: Int, roundTrip: Interval) -> Bool? {
        let delivery = delivery(delivered)
        switch choice.onAck(
            sample(roundTrip: roundTrip, priorDelivered: delivery.delivered), rtt: rtt([base, roundTrip]),
            slowStartWindow: nil, delivery: delivery, now: .zero)
        {
        case .stay: return nil
        case .useBBR(let isPipeFull): return isPipeFull
        }
    }
    private func lose(
        _ choice: inout AlgorithmChoice, window: Int, _ rtt: RTTEstimator, inSlowStart: Bool = false, after: Int = 10
    ) {
        choice.onLosses(
            window: window, datagram: 1_200, isInFirstSlowStart: inSlowStart, rtt: rtt, delivery: delivery(after))
    }

    @Test func twoQuietLossesAtFallingWindows() {
        var choice = AlgorithmChoice()
        lose(&choice, window: 200_000, quiet)
        #expect(verdict(&choice, after: 10, roundTrip: base) == nil)
        lose(&choice, window: 150_000, quiet)
        #expect(verdict(&choice, after: 20, roundTrip: base) == false)
    }

    /// The teeth of a saw: each loss at the window of the one before, or above it.
    @Test func theSawtoothOfAShortQueueIsNoChance() {
        var choice = AlgorithmChoice()
        for count in 1...20 {
            lose(&choice, window: 200_000 + count % 3 * 100, quiet)
            if count % 3 == 0 { continue }
            lose(&choice, window: 201_000, quiet)
            #expect(verdict(&choice, after: 10 * count, roundTrip: base) == nil)
        }
    }

    @Test func lossesBehindAQueueAreNoChance() {
        var choice = AlgorithmChoice()
        for window in [200_000, 150_000, 120_000, 90_000] { lose(&choice, window: window, queued) }
        #expect(verdict(&choice, after: 10, roundTrip: base) == nil)
        lose(&choice, window: 80_000, quiet)
        lose(&choice, window: 70_000, queued)
        lose(&choice, window: 60_000, quiet)
        #expect(verdict(&choice, after: 20, roundTrip: base) == nil)
    }

    /// Rounds of packets that all wait behind some late one: no round trip comes near the smallest, and none is a queue.
    @Test func jitterIsNoQueue() {
        var choice = AlgorithmChoice()
        jitter(&choice, [110, 128, 140, 124, 132])
        lose(&choice, window: 200_000, queued)
        lose(&choice, window: 150_000, queued)
        #expect(verdict(&choice, after: 10_000, roundTrip: .milliseconds(130)) == false)
    }

    /// The same round trips without the differences: a queue of others, or an own one.
    @Test func evenRoundTripsAreAQueue() {
        var choice = AlgorithmChoice()
        jitter(&choice, [129, 130, 131, 130, 130])
        lose(&choice, window: 200_000, queued)
        lose(&choice, window: 150_000, queued)
        #expect(verdict(&choice, after: 10_000, roundTrip: .milliseconds(130)) == nil)
    }

    /// 20 rounds of these round trips in milliseconds, none of which is a reason for anything.
    private func jitter(_ choice: inout AlgorithmChoice, _ milliseconds: [Int64]) {
        for round in 1...20 {
            for (index, sample) in milliseconds.enumerated() {
                let delivered = delivery(round * 10 + index)
                let verdict = choice.onAck(
                    self.sample(
                        roundTrip: .milliseconds(sample), priorDelivered: index == 0 ? delivered.delivered : 0),
                    rtt: rtt([base]), slowStartWindow: nil, delivery: delivered, now: .zero)
                guard case .stay = verdict else {
                    Issue.record("leaves CUBIC without a loss")
                    return
                }
            }
        }
    }

    /// Two rounds in the first slow start, of eight packets that are all late by 100 ms. The acknowledgements of the first come
    /// together, or as the bottleneck let the packets through.
    @Test(arguments: [(0, false), (12, true)])
    func aQueueIsOwnWhenItLetsOnePacketAfterTheOtherThrough(spacing: Int64, isOwn: Bool) {
        var choice = AlgorithmChoice()
        let late = base + .milliseconds(100)
        var now = Instant.zero + .seconds(1)
        var found: [Bool] = []
        for number in 1...9 {
            let delivered = delivery(number)
            let first = number == 1 || number == 9
            let verdict = choice.onAck(
                sample(roundTrip: late, priorDelivered: first ? delivered.delivered : 0), rtt: rtt([base, late, late]),
                slowStartWindow: 1_000_000, delivery: delivered, now: now)
            if case .useBBR(isPipeFull: true) = verdict { found.append(true) } else { found.append(false) }
            now = now + (number == 8 ? .milliseconds(180) : .milliseconds(spacing))
        }
        #expect(!found.dropLast().contains(true) && found.last == isOwn, "\(found)")
    }

    /// On a fast local network CUBIC wins back in milliseconds what a loss costs it.
    @Test func notWorthItOnALocalNetwork() {
        let near = rtt([.microseconds(400)])
        var choice = AlgorithmChoice()
        for window in [400_000, 300_000, 250_000, 200_000] { lose(&choice, window: window, near) }
        #expect(verdict(&choice, after: 10, roundTrip: .microseconds(400)) == nil)
        #expect(AlgorithmChoice.recovery(window: 400_000, datagram: 1_200, base: .microseconds(400)) < 0.1)
        #expect(AlgorithmChoice.recovery(window: 800_000, datagram: 1_200, base: base) > 5)
    }

    @Test(arguments: [(2, true), (200, false)])
    func theFirstSlowStartIsJudgedByItsRound(lost: Int, isChance: Bool) {
        var choice = AlgorithmChoice()
        lose(&choice, window: 100_000, quiet, inSlowStart: true)
        let delivery = delivery(500, lost: lost)
        let verdict = choice.onAck(
            sample(roundTrip: base, priorDelivered: delivery.delivered), rtt: rtt([base]), slowStartWindow: nil,
            delivery: delivery, now: .zero)
        guard case .useBBR(isPipeFull: false) = verdict else {
            #expect(!isChance)
            return
        }
        #expect(isChance)
    }

    @Test func aLongQueueIsLeftAndHeldAgainstAReturn() {
        var choice = AlgorithmChoice()
        #expect(verdict(&choice, after: 10, roundTrip: .milliseconds(150)) == nil)
        #expect(verdict(&choice, after: 20, roundTrip: .milliseconds(150)) == true)
        // Others fill the queue: not before 20 s are over.
        choice.onReturn(now: .zero)
        #expect(verdict(&choice, after: 30, roundTrip: .milliseconds(150)) == nil)
        #expect(verdict(&choice, after: 40, roundTrip: .milliseconds(150)) == nil)
        let later = delivery(50)
        let verdict = choice.onAck(
            sample(roundTrip: .milliseconds(150), priorDelivered: later.delivered),
            rtt: rtt([base, .milliseconds(150)]),
            slowStartWindow: nil, delivery: later, now: .zero + .seconds(21))
        guard case .useBBR(isPipeFull: true) = verdict else {
            Issue.record("stays with CUBIC after the hold")
            return
        }
    }

    @Test func aShortQueueIsNoReason() {
        var choice = AlgorithmChoice()
        for round in 1...50 { #expect(verdict(&choice, after: 10 * round, roundTrip: .milliseconds(130)) == nil) }
        #expect(choice.bandwidth.value == 1_000_000)
    }

    // MARK: The end of the first slow start

    /// One ACK after another, each a round trip later: in flight, the path's rate and round trip then.
    private func fills(_ acks: [(flight: Int, rate: Double, roundTrip: Int64)]) -> Bool {
        var choice = AlgorithmChoice()
        var rtt = rtt([base])
        var now = Instant.zero + .seconds(1)
        for ack in acks {
            // Enough for the smoothed round trip.
            for _ in 0..<8 {
                rtt.update(sample: .milliseconds(ack.roundTrip), ackDelay: .zero, maximumAckDelay: .zero)
            }
            let sample = DeliverySample(
                rate: ack.rate, delivered: ack.flight, newlyAcknowledged: 1_200, priorDelivered: 0, lost: 0,
                inFlightAtSend: ack.flight, isApplicationLimited: false, roundTrip: .milliseconds(ack.roundTrip))
            if case .useBBR(isPipeFull: true) = choice.onAck(
                sample, rtt: rtt, slowStartWindow: 400_000, delivery: delivery(1), now: now)
            {
                return true
            }
            now = now + base
        }
        return false
    }

    @Test func moreInFlightThatWaitsAndArrivesNoFaster() {
        #expect(fills([(50_000, 625_000, 80), (100_000, 1_200_000, 82), (200_000, 1_250_000, 135)]))
        #expect(fills([(100_000, 1_200_000, 82), (130_000, 1_250_000, 104), (165_000, 1_250_000, 132)]), "by quarters")
    }

    @Test func noPlateau() {
        #expect(!fills([(50_000, 625_000, 80), (100_000, 1_250_000, 80), (200_000, 2_500_000, 135)]), "grows")
        #expect(!fills([(50_000, 625_000, 80), (100_000, 1_200_000, 80), (200_000, 1_250_000, 105)]), "a short queue")
        #expect(!fills([(190_000, 1_200_000, 80), (200_000, 1_250_000, 135)]), "a receive window limits it")
        #expect(
            !fills([(1_000, 12_000, 80), (2_000, 12_000, 135), (4_000, 12_000, 135)]), "sends little beside others")
    }
}
