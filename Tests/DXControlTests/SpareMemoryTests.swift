import Testing

@testable import DXControl

@Suite struct SpareMemoryTests {
    @Test func littleStays() {
        var memory = SpareMemory()
        // The last one: of much that is in use some is always between the pieces.
        ask(&memory, [(10, 7, false), (16, 5, true), (140, 100, false)])
    }

    /// Where pieces lie on every page giving back gives nothing, and is not tried again and again.
    @Test func whatIsStuckIsNotTriedAgain() {
        var memory = SpareMemory()
        ask(&memory, [(16, 5, true)])
        memory.gaveBack(anonymous: 15 << 20, inUse: 5 << 20)
        // At 8 MiB it came free by itself: from then on it counts again.
        ask(&memory, [(16, 5, false), (20, 5, true), (8, 5, false), (13, 5, true)])
    }

    /// What a burst uses again and again is not given back in between.
    @Test func whatIsSpareForAWhileIs() {
        var memory = SpareMemory()
        func look(_ anonymous: Int, _ inUse: Int) -> Bool {
            memory.isWorthwhile(anonymous: anonymous << 20, inUse: inUse << 20)
        }
        let answers = [look(16, 5), look(16, 5), look(16, 15), look(16, 5), look(16, 5), look(16, 5)]
        #expect(answers == [false, false, false, false, false, true])
    }

    /// To look at a large heap costs milliseconds: one that has not grown is looked at now and then only.
    @Test func aHeapThatDidNotGrowIsSeldomLookedAt() {
        var memory = SpareMemory()
        let first = [memory.wantsLook(anonymous: 16 << 20), memory.wantsLook(anonymous: 16 << 20)]
        #expect(first == [true, true])
        memory.gaveBack(anonymous: 8 << 20, inUse: 5 << 20)
        let looks = (0..<12).map { _ in memory.wantsLook(anonymous: 8 << 20) }
        #expect(looks.filter { $0 }.count == 12 / SpareMemory.looksBetween)
        let grown = memory.wantsLook(anonymous: 9 << 20)
        #expect(grown)
        // What is spare is followed until it is given back.
        _ = memory.isWorthwhile(anonymous: 16 << 20, inUse: 5 << 20)
        let followed = memory.wantsLook(anonymous: 8 << 20)
        #expect(followed)
    }

    /// Looks as often as it takes at each of these in turn: MiB of the process's own, MiB in use, and the answer.
    private func ask(_ memory: inout SpareMemory, _ cases: [(anonymous: Int, inUse: Int, answer: Bool)]) {
        for (anonymous, inUse, answer) in cases {
            var isWorthwhile = false
            for _ in 0..<SpareMemory.looksUntilSpare {
                isWorthwhile = memory.isWorthwhile(anonymous: anonymous << 20, inUse: inUse << 20)
            }
            #expect(isWorthwhile == answer, "\(anonymous) MiB, \(inUse) in use")
        }
    }
}
