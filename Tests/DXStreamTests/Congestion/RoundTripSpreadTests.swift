import DXWire
import Testing

@testable import DXStream

@Suite struct RoundTripSpreadTests {
    private func round(_ spread: inout RoundTripSpread, _ milliseconds: [Int64]) {
        for sample in milliseconds { spread.update(.milliseconds(sample)) }
        spread.endRound()
    }

    @Test func followsTheDifferenceWithinRounds() {
        var spread = RoundTripSpread()
        #expect(spread.allowance == .zero)
        for _ in 0..<20 { round(&spread, [50, 62, 55, 58, 53]) }
        #expect(abs((spread.value - .milliseconds(12)).nanoseconds) < 100_000)
        #expect(spread.allowance == spread.value * 2)
        for _ in 0..<20 { round(&spread, [50, 51, 50, 50]) }
        #expect(spread.value < .microseconds(1_100))
    }

    /// A queue that grows over many rounds is no jitter, however long it becomes.
    @Test func aGrowingQueueIsNoJitter() {
        var spread = RoundTripSpread()
        for base in Int64(40)..<140 { round(&spread, [base, base, base + 1, base + 1, base + 1]) }
        #expect(spread.value <= .milliseconds(1))
    }

    @Test func aRoundOfAFewSamplesDoesNotCount() {
        var spread = RoundTripSpread()
        round(&spread, [10, 90, 10])
        #expect(spread.value == .zero)
        // Nor do they count towards the next round.
        round(&spread, [10, 10, 10, 12])
        #expect(spread.value == .microseconds(500))
        spread.update(.milliseconds(500))
        spread.forgetRound()
        round(&spread, [10, 10, 10, 10])
        #expect(spread.value == .microseconds(375))
    }

    @Test func theAllowanceIsBounded() {
        var spread = RoundTripSpread()
        for _ in 0..<30 { round(&spread, [100, 900, 100, 900]) }
        #expect(spread.allowance == RoundTripSpread.largestAllowance)
    }
}
