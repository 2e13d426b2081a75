import DXSimulator
import NIOCore
import Testing

@Suite struct ContentTests {
    @Test func isAFunctionOfKeyAndPlace() {
        let whole = Content.bytes(key: 7, offset: 0, count: 20_000)
        #expect(Content.firstDifference(in: whole, key: 7, offset: 0) == nil)
        for (offset, count) in [(0, 1), (1, 4_095), (4_095, 2), (5_000, 10_000), (19_999, 1)] {
            let part = Content.bytes(key: 7, offset: UInt64(offset), count: count)
            #expect(part == whole.getSlice(at: offset, length: count))
            #expect(Content.firstDifference(in: part, key: 7, offset: UInt64(offset)) == nil)
        }
    }

    @Test func seesShiftedSwappedAndForeignBytes() {
        let part = Content.bytes(key: 7, offset: 8_192, count: 5_000)
        for shift: UInt64 in [1, 2, 8, 4_096, 8_192] {
            #expect(Content.firstDifference(in: part, key: 7, offset: 8_192 - shift) != nil)
            #expect(Content.firstDifference(in: part, key: 7, offset: 8_192 + shift) != nil)
        }
        #expect(Content.firstDifference(in: part, key: 8, offset: 8_192) == 8_192)
        var flipped = part
        flipped.setInteger(flipped.getInteger(at: 4_500, as: UInt8.self)! ^ 1, at: 4_500)
        #expect(Content.firstDifference(in: flipped, key: 7, offset: 8_192) != nil)
    }
}
