import DXWire
import Testing

@testable import DXStream

@Suite struct SlowStartExitTests {
    private var exit = SlowStartExit()
    private var number: UInt64 = 0

    /// A round of `samples` packets, each of which takes `microseconds`. True when slow start ended in it.
    private mutating func round(_ microseconds: Int64, samples: Int = 10) -> Bool {
        var isOver = false
        for index in 0..<samples {
            let end = exit.onRTTSample(
                .microseconds(microseconds), largestAcknowledged: number + UInt64(index),
                largestSent: number + UInt64(2 * samples - 1))
            isOver = isOver || end
        }
        number += UInt64(samples)
        return isOver
    }

    /// The next packets begin a round of their own.
    private mutating func startRounds() {
        // Packet 0 alone: its round ends with what was sent up to then.
        _ = exit.onRTTSample(.milliseconds(50), largestAcknowledged: 0, largestSent: 9)
        number = 1
        _ = roundOf(9, 50_000)
    }

    /// A round of exactly `count` packets; nothing more is sent meanwhile than the next round's ten.
    private mutating func roundOf(_ count: Int, _ microseconds: Int64) -> Bool {
        var isOver = false
        for index in 0..<count {
            let end = exit.onRTTSample(
                .microseconds(microseconds), largestAcknowledged: number, largestSent: number - UInt64(index) + 9)
            isOver = isOver || end
            number += 1
        }
        return isOver
    }

    @Test mutating func standardGrowthIsWhole() {
        #expect(exit.growth(for: 1200) == 1200)
        startRounds()
        for _ in 0..<20 {
            let isOver = roundOf(10, 50_000)
            #expect(!isOver)
        }
        #expect(exit.phase == .standard)
    }

    @Test mutating func aRiseMakesItConservativeForFiveRounds() {
        startRounds()
        // An eighth of 50 ms is 6.25 ms.
        let calm = roundOf(10, 56_000)
        #expect(!calm && exit.phase == .standard)
        let rise = roundOf(10, 63_000)
        #expect(!rise && exit.phase == .conservative)
        #expect(exit.growth(for: 1200) == 300)
        // That round counts; four more, and the next begins with the end.
        for _ in 0..<4 {
            let isOver = roundOf(10, 63_000)
            #expect(!isOver)
        }
        let isOver = roundOf(1, 63_000)
        #expect(isOver)
    }

    @Test mutating func aFallResumesSlowStart() {
        startRounds()
        _ = roundOf(10, 60_000)
        #expect(exit.phase == .conservative)
        _ = roundOf(10, 60_000)
        #expect(exit.phase == .conservative)
        _ = roundOf(10, 55_000)
        #expect(exit.phase == .standard)
        #expect(exit.growth(for: 1200) == 1200)
        // And it can turn again, with five rounds of its own.
        _ = roundOf(10, 62_000)
        #expect(exit.phase == .conservative)
        for _ in 0..<4 {
            let isOver = roundOf(10, 62_000)
            #expect(!isOver)
        }
        let isOver = roundOf(1, 62_000)
        #expect(isOver)
    }

    @Test mutating func sevenSamplesAreTooFew() {
        startRounds()
        for round in 1...10 {
            var isOver = false
            for index in 0..<7 {
                let end = exit.onRTTSample(
                    .milliseconds(Int64(50 + 20 * round)), largestAcknowledged: number,
                    largestSent: number - UInt64(index) + 6)
                isOver = isOver || end
                number += 1
            }
            #expect(!isOver && exit.phase == .standard)
        }
    }

    /// RFC 9406 §4.3: at least 4 ms, at most 16 ms.
    @Test(arguments: [
        // previous, current, whether that is a rise; in microseconds
        (1_000, 4_900, false), (1_000, 5_000, true), (32_000, 35_900, false), (32_000, 36_000, true),
        (64_000, 71_900, false), (64_000, 72_000, true), (400_000, 415_900, false), (400_000, 416_000, true),
    ])
    func thresholds(previous: Int64, current: Int64, isRise: Bool) {
        var test = Self()
        _ = test.exit.onRTTSample(.microseconds(previous), largestAcknowledged: 0, largestSent: 0)
        test.number = 1
        _ = test.roundOf(10, previous)
        _ = test.roundOf(10, current)
        #expect((test.exit.phase == .conservative) == isRise)
    }

    @Test mutating func forgottenRoundsCompareWithNothing() {
        startRounds()
        exit.forgetRounds()
        number = 0
        _ = exit.onRTTSample(.milliseconds(100), largestAcknowledged: 0, largestSent: 0)
        number = 1
        _ = roundOf(10, 100_000)
        #expect(exit.phase == .standard)
    }

    @Test func layout() {
        #expect(MemoryLayout<SlowStartExit>.stride <= 72)
    }
}
