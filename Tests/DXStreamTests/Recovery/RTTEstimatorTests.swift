import DXStream
import DXWire
import Testing

@Suite struct RTTEstimatorTests {
    let maximumAckDelay = Interval.milliseconds(25)

    private func sampled(_ milliseconds: Int64...) -> RTTEstimator {
        var rtt = RTTEstimator()
        for sample in milliseconds {
            rtt.update(sample: .milliseconds(sample), ackDelay: .zero, maximumAckDelay: maximumAckDelay)
        }
        return rtt
    }

    @Test func startsAtTheGuess() {
        let rtt = RTTEstimator()
        #expect(!rtt.hasSample)
        #expect(rtt.smoothed == .milliseconds(333))
        #expect(rtt.variation == .microseconds(166_500))
        // RFC 9002 §6.2.2: about one second.
        #expect(rtt.probeTimeout(maximumAckDelay: .zero) == .milliseconds(999))
    }

    @Test func firstSampleReplacesTheGuess() {
        let rtt = sampled(80)
        #expect(rtt.hasSample)
        #expect(rtt.latest == .milliseconds(80))
        #expect(rtt.smoothed == .milliseconds(80))
        #expect(rtt.variation == .milliseconds(40))
        #expect(rtt.minimum == .milliseconds(80))
    }

    @Test func laterSamplesAreAveraged() {
        // RFC 9002 §5.3: variation 3/4 * 40 + 1/4 * 40, smoothed 7/8 * 80 + 1/8 * 120.
        let rtt = sampled(80, 120)
        #expect(rtt.variation == .milliseconds(40))
        #expect(rtt.smoothed == .milliseconds(85))
        #expect(rtt.minimum == .milliseconds(80))
        let settled = sampled(80, 80, 80, 80)
        #expect(settled.smoothed == .milliseconds(80))
        #expect(settled.variation < .milliseconds(20))
    }

    @Test func ackDelayIsSubtractedOnlyAboveTheMinimum() {
        var rtt = sampled(80)
        rtt.update(sample: .milliseconds(100), ackDelay: .milliseconds(20), maximumAckDelay: maximumAckDelay)
        #expect(rtt.smoothed == .milliseconds(80))
        #expect(rtt.latest == .milliseconds(100))
        // 90 - 20 would be below the minimum of 80: nothing is subtracted.
        rtt = sampled(80)
        rtt.update(sample: .milliseconds(88), ackDelay: .milliseconds(20), maximumAckDelay: maximumAckDelay)
        #expect(rtt.smoothed == .milliseconds(81))
        // A delay above the promised one counts as that: 180 - 25 = 155.
        rtt = sampled(75)
        rtt.update(sample: .milliseconds(180), ackDelay: .seconds(1), maximumAckDelay: maximumAckDelay)
        #expect(rtt.smoothed == .milliseconds(85))
        // The first sample and the minimum never lose a delay.
        rtt = RTTEstimator()
        rtt.update(sample: .milliseconds(60), ackDelay: .milliseconds(20), maximumAckDelay: maximumAckDelay)
        #expect(rtt.smoothed == .milliseconds(60))
        #expect(rtt.minimum == .milliseconds(60))
    }

    @Test func probeTimeoutHasAFloorForTheVariation() {
        var rtt = sampled(80)
        #expect(rtt.probeTimeout(maximumAckDelay: maximumAckDelay) == .milliseconds(80 + 160 + 25))
        for _ in 0..<100 {
            rtt.update(sample: .milliseconds(80), ackDelay: .zero, maximumAckDelay: maximumAckDelay)
        }
        #expect(rtt.probeTimeout(maximumAckDelay: maximumAckDelay) == .milliseconds(80 + 1 + 25))
    }

    @Test func resetMinimumTakesTheNextSample() {
        var rtt = sampled(80, 120)
        rtt.resetMinimum()
        #expect(rtt.minimum == .milliseconds(120))
        rtt.update(sample: .milliseconds(200), ackDelay: .milliseconds(25), maximumAckDelay: maximumAckDelay)
        #expect(rtt.minimum == .milliseconds(200))
        rtt.update(sample: .milliseconds(150), ackDelay: .zero, maximumAckDelay: maximumAckDelay)
        #expect(rtt.minimum == .milliseconds(150))
    }

    @Test func inheritsEverything() {
        let rtt = RTTEstimator(inheriting: sampled(80, 120))
        #expect(rtt.hasSample)
        #expect(rtt.smoothed == .milliseconds(85))
        #expect(rtt.minimum == .milliseconds(80))
    }

    @Test func anyInputStaysInRange() {
        var random = RandomSource(seed: 1)
        let extremes: [Int64] = [.min, .min + 1, -1, 0, 1, 1_000_000, .max - 1, .max]
        for initial in extremes {
            var rtt = RTTEstimator(initial: .nanoseconds(initial))
            for _ in 0..<2_000 {
                func any() -> Interval { .nanoseconds(extremes[Int(random.below(UInt64(extremes.count)))]) }
                rtt.update(sample: any(), ackDelay: any(), maximumAckDelay: any())
                if random.chance(0.1) { rtt.resetMinimum() }
                for value in [rtt.latest, rtt.smoothed, rtt.minimum] {
                    #expect(value > .zero && value <= RTTEstimator.largestSample)
                }
                #expect(rtt.variation >= .zero && rtt.variation <= RTTEstimator.largestSample)
                #expect(rtt.probeTimeout(maximumAckDelay: any()) > .zero)
            }
        }
    }

    @Test func layout() {
        #expect(MemoryLayout<RTTEstimator>.stride == 40)
    }
}
