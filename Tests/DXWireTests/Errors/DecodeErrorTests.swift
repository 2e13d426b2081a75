import DXWire
import Testing

@Suite struct DecodeErrorTests {
    /// Made on the hot path by anyone who can send a datagram: it must never be worth an allocation.
    @Test func isOneByte() {
        #expect(MemoryLayout<DecodeError>.size == 1)
        #expect(_isPOD(DecodeError.self))
    }
}
