import DXWire
import Testing

@testable import DXStream

@Suite struct MaximumFiltersTests {
    @Test func aRateIsBelievedForTwoCycles() {
        var filter = CycleMaximum()
        #expect(filter.value == 0)
        filter.update(5)
        filter.update(3)
        #expect(filter.value == 5)
        filter.advance()
        filter.update(2)
        #expect(filter.value == 5)
        filter.advance()
        #expect(filter.value == 2)
        // A cycle without any value changes nothing.
        filter.advance()
        #expect(filter.value == 2)
    }

    /// Against all values of the window: never below the largest of the newest third, never above the largest of the
    /// window and the third before it, and exact at the value that has just come.
    @Test func windowedMaximumStaysWithinItsWindow() {
        var random = RandomSource(seed: 3)
        for length: UInt64 in [1, 4, 10] {
            var filter = WindowedMaximum()
            var values: [(round: UInt64, value: Double)] = []
            for round in 1...2_000 as ClosedRange<UInt64> {
                let value = Double(random.below(1_000))
                filter.update(value, round: round, length: length)
                values.append((round, value))
                let window = values.suffix(Int(length) + 1).map(\.value).max()!
                #expect(filter.value >= value)
                #expect(filter.value <= window, "round \(round), window \(length)")
                let recent = values.suffix(max(1, Int(length) / 4)).map(\.value).max()!
                #expect(filter.value >= recent, "round \(round), window \(length)")
            }
        }
    }
}
