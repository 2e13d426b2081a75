import Testing

@testable import DXControl

@Suite struct SpareMemoryTests {
    private static let mebibyte = 1 << 20

    @Test func littleStays() {
        var memory = SpareMemory()
        #expect(!memory.isWorthwhile(anonymous: 10 * Self.mebibyte, inUse: 7 * Self.mebibyte))
        #expect(memory.isWorthwhile(anonymous: 16 * Self.mebibyte, inUse: 5 * Self.mebibyte))
        // Of much that is in use some is always between the pieces.
        #expect(!memory.isWorthwhile(anonymous: 140 * Self.mebibyte, inUse: 100 * Self.mebibyte))
    }

    /// Where pieces lie on every page giving back gives nothing, and is not tried again and again.
    @Test func whatIsStuckIsNotTriedAgain() {
        var memory = SpareMemory()
        #expect(memory.isWorthwhile(anonymous: 16 * Self.mebibyte, inUse: 5 * Self.mebibyte))
        memory.gaveBack(anonymous: 15 * Self.mebibyte, inUse: 5 * Self.mebibyte)
        #expect(!memory.isWorthwhile(anonymous: 16 * Self.mebibyte, inUse: 5 * Self.mebibyte))
        #expect(memory.isWorthwhile(anonymous: 20 * Self.mebibyte, inUse: 5 * Self.mebibyte))
        // What was stuck came free by itself since: then it counts again.
        #expect(!memory.isWorthwhile(anonymous: 8 * Self.mebibyte, inUse: 5 * Self.mebibyte))
        #expect(memory.isWorthwhile(anonymous: 13 * Self.mebibyte, inUse: 5 * Self.mebibyte))
    }
}
