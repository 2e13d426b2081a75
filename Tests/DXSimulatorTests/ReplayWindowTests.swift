import DXSimulator
import DXWire
import Testing

@Suite struct ReplayWindowTests {
    /// Against the definition: seen before, or 64 and more below the newest.
    @Test(arguments: 1...20) func agreesWithASet(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var window = ReplayWindow()
        var seen: Set<UInt64> = []
        var newest: UInt64 = 0
        for _ in 0..<2_000 {
            let ahead = random.chance(0.02) ? random.below(300) : random.below(4)
            let behind = random.below(80)
            let number = random.chance(0.4) ? newest + ahead : newest - min(newest, behind)
            let isTooOld = !seen.isEmpty && number + 64 <= newest
            #expect(window.accepts(number) == (!isTooOld && !seen.contains(number)))
            if !isTooOld {
                window.insert(number)
                seen.insert(number)
                newest = max(newest, number)
            }
        }
    }
}
