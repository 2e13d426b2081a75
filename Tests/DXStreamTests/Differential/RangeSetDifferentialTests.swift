import DXSimulator
import DXWire
import Testing

@testable import DXStream

/// `RangeSet` against `Set<UInt64>`: random operations, every answer compared.
@Suite struct RangeSetDifferentialTests {
    /// Small universes make touching and overlapping ranges frequent.
    @Test(arguments: [8, 30, 100] as [UInt64]) func agreesWithASet(universe: UInt64) throws {
        try Replay.run("RangeSetDifferentialTests", seeds: Replay.seeds(count: 10)) { seed, _ in
            var random = RandomSource(seed: seed &* 31 &+ universe)
            var ranges = RangeSet()
            var numbers: Set<UInt64> = []
            for step in 0..<150 {
                try Self.change(&ranges, &numbers, universe: universe, random: &random)
                try Self.compare(ranges, numbers, universe: universe, step: step, random: &random)
            }
        }
    }

    private static func range(_ universe: UInt64, _ random: inout RandomSource) -> Range<UInt64> {
        let start = random.below(universe)
        // Mostly short, sometimes empty, sometimes all of it.
        let length = random.chance(0.1) ? random.below(universe) : random.below(6)
        return start..<min(universe, start + length)
    }

    private static func change(
        _ ranges: inout RangeSet, _ numbers: inout Set<UInt64>, universe: UInt64, random: inout RandomSource
    ) throws {
        let range = range(universe, &random)
        switch random.below(20) {
        case 0..<10:
            let new = range.filter { !numbers.contains($0) }.count
            let reported = ranges.insert(range)
            try SimulationFailure.unless(reported == UInt64(new), "insert \(range) said \(reported) new, not \(new)")
            numbers.formUnion(range)
        case 10..<17:
            ranges.remove(range)
            numbers.subtract(range)
        case 17:
            ranges.removeAll(below: range.lowerBound / 4)
            numbers = numbers.filter { $0 >= range.lowerBound / 4 }
        case 18:
            let keep = Int(random.below(8))
            let kept = Set(ranges.ranges.suffix(keep).flatMap { Array($0) })
            ranges.keepHighest(keep)
            numbers = kept
        default:
            guard random.chance(0.1) else { return }
            ranges.removeAll()
            numbers = []
        }
    }

    private static func compare(
        _ ranges: RangeSet, _ numbers: Set<UInt64>, universe: UInt64, step: Int, random: inout RandomSource
    ) throws {
        func check(_ condition: Bool, _ what: String) throws {
            try SimulationFailure.unless(condition, "step \(step): \(what): \(ranges.ranges) for \(numbers.sorted())")
        }
        try check(ranges.ranges.flatMap { Array($0) } == numbers.sorted(), "the numbers")
        try check(
            zip(ranges.ranges, ranges.ranges.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound }, "no touch")
        try check(ranges.ranges.allSatisfy { !$0.isEmpty }, "no empty range")
        try check(ranges.isEmpty == numbers.isEmpty, "isEmpty")
        try check(ranges.first == numbers.min() && ranges.last == numbers.max(), "first and last")
        try check(ranges.firstRange == ranges.ranges.first && ranges.rangeCount == ranges.ranges.count, "counts")
        let number = random.below(universe)
        try check(ranges.contains(number) == numbers.contains(number), "contains \(number)")
        let probe = range(universe, &random)
        try check(ranges.contains(probe) == probe.allSatisfy { numbers.contains($0) }, "contains \(probe)")
        let position = random.below(universe)
        try check(
            ranges.firstGap(in: probe, from: position) == gap(in: probe, from: position, numbers: numbers),
            "gap of \(probe) from \(position)")
    }

    private static func gap(in range: Range<UInt64>, from position: UInt64, numbers: Set<UInt64>) -> Range<UInt64>? {
        let candidates = range.filter { $0 >= position }
        guard let start = candidates.first(where: { !numbers.contains($0) }) else { return nil }
        let end = candidates.first { $0 > start && numbers.contains($0) } ?? range.upperBound
        return start..<end
    }
}
