import DXWire
import Testing

@testable import DXSecure

@Suite struct ReplayWindowTests {
    @Test func edges() {
        var window = ReplayWindow()
        #expect(!window.isFresh(0))
        window.insert(100)
        #expect(!window.isFresh(100))
        #expect(window.isFresh(101))
        #expect(window.isFresh(37))
        #expect(!window.isFresh(36))
        window.insert(37)
        #expect(!window.isFresh(37))
        window.insert(101)
        #expect(!window.isFresh(37))
        #expect(window.isFresh(38))
        window.insert(.max)
        #expect(!window.isFresh(.max))
        #expect(window.isFresh(.max - 63))
        #expect(!window.isFresh(.max - 64))
        #expect(!window.isFresh(101))
    }

    /// Against a set of all numbers seen.
    @Test func differential() {
        var random = RandomSource(seed: 5)
        for _ in 0..<200 {
            var window = ReplayWindow()
            var seen: Set<UInt64> = [0]
            var newest: UInt64 = 0
            for _ in 0..<500 {
                let number =
                    random.chance(0.5) ? newest + random.below(80) : newest - min(newest, random.below(80))
                let isFresh = !seen.contains(number) && (number > newest || newest - number < 64)
                #expect(window.isFresh(number) == isFresh)
                if isFresh {
                    window.insert(number)
                    seen.insert(number)
                    newest = max(newest, number)
                }
            }
        }
    }
}
