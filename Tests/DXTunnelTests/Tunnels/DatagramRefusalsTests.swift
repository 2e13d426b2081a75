import DXWire
import Testing

@testable import DXTunnel

@Suite struct DatagramRefusalsTests {
    private func times(_ milliseconds: [Int64], answers: Set<Int64> = []) -> [Int64] {
        var refusals = DatagramRefusals()
        return milliseconds.filter { time in
            if answers.contains(time) { refusals.answered() }
            return refusals.refused(at: Instant(nanoseconds: time * 1_000_000))
        }
    }

    @Test func threeInARowAreTooMany() {
        #expect(times([0, 300, 600]) == [600])
        #expect(times([0, 300, 600, 900, 1_200, 1_500]) == [600, 1_500])
    }

    /// What is refused at once is one refusal.
    @Test func aMomentIsNoRow() { #expect(times(Array(0..<300)).isEmpty) }

    @Test func whatLiesFarApartIsNoRow() {
        #expect(times([0, 10_001, 20_002, 30_003]).isEmpty)
        #expect(times([0, 10_000, 20_000]) == [20_000])
    }

    @Test func anAnswerEndsTheRow() { #expect(times([0, 300, 600, 900], answers: [600]).isEmpty) }
}
