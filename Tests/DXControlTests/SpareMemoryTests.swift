import Testing

@testable import DXControl

@Suite struct SpareMemoryTests {
    private static let mebibyte = 1 << 20

    @Test func littleStays() {
        var memory = SpareMemory()
        #expect(asked(&memory, anonymous: 10 * Self.mebibyte, inUse: 7 * Self.mebibyte) == false)
        #expect(asked(&memory, anonymous: 16 * Self.mebibyte, inUse: 5 * Self.mebibyte) == true)
        // Of much that is in use some is always between the pieces.
        #expect(asked(&memory, anonymous: 140 * Self.mebibyte, inUse: 100 * Self.mebibyte) == false)
    }

    /// Where pieces lie on every page giving back gives nothing, and is not tried again and again.
    @Test func whatIsStuckIsNotTriedAgain() {
        var memory = SpareMemory()
        #expect(asked(&memory, anonymous: 16 * Self.mebibyte, inUse: 5 * Self.mebibyte) == true)
        memory.gaveBack(anonymous: 15 * Self.mebibyte, inUse: 5 * Self.mebibyte)
        #expect(asked(&memory, anonymous: 16 * Self.mebibyte, inUse: 5 * Self.mebibyte) == false)
        #expect(asked(&memory, anonymous: 20 * Self.mebibyte, inUse: 5 * Self.mebibyte) == true)
        // What was stuck came free by itself since: then it counts again.
        #expect(asked(&memory, anonymous: 8 * Self.mebibyte, inUse: 5 * Self.mebibyte) == false)
        #expect(asked(&memory, anonymous: 13 * Self.mebibyte, inUse: 5 * Self.mebibyte) == true)
    }

    private func asked(_ memory: inout SpareMemory, anonymous: Int, inUse: Int) -> Bool {
        memory.isWorthwhile(anonymous: anonymous, inUse: inUse)
    }
}
