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

    /// Asks for each of these in turn: MiB of the process's own, MiB in use, and the answer.
    private func ask(_ memory: inout SpareMemory, _ cases: [(anonymous: Int, inUse: Int, answer: Bool)]) {
        for (anonymous, inUse, answer) in cases {
            let isWorthwhile = memory.isWorthwhile(anonymous: anonymous << 20, inUse: inUse << 20)
            #expect(isWorthwhile == answer, "\(anonymous) MiB, \(inUse) in use")
        }
    }
}
