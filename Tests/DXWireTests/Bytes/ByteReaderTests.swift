import DXWire
import Testing

@Suite struct ByteReaderTests {
    private static let bytes = hex("0102030405060708 090a0b0c0d0e0f 10")

    @Test func readsBigEndian() throws {
        var reader = ByteReader(Self.bytes.rawBytes)
        #expect(try reader.peekUInt8() == 0x01)
        #expect(reader.position == 0)
        #expect(try reader.readUInt8() == 0x01)
        #expect(try reader.readUInt16() == 0x0203)
        #expect(try reader.readUInt32() == 0x0405_0607)
        #expect(try reader.readUInt64() == 0x0809_0a0b_0c0d_0e0f)
        #expect(reader.position == 15)
        #expect(reader.remaining == 1)
        #expect(try reader.readUInt8() == 0x10)
        #expect(reader.remaining == 0)
        #expect(throws: DecodeError.truncated) { try reader.readUInt8() }
    }

    @Test(arguments: [
        (0, UInt64(0)), (1, 0x01), (2, 0x0102), (3, 0x01_0203), (4, 0x0102_0304), (5, 0x01_0203_0405),
        (7, 0x01_0203_0405_0607), (8, 0x0102_0304_0506_0708),
    ])
    func readsIntegersOfAnyLength(count: Int, value: UInt64) throws {
        var reader = ByteReader(Self.bytes.rawBytes)
        #expect(try reader.readInteger(byteCount: count) == value)
        #expect(reader.position == count)
    }

    @Test func readsSpansInPlace() throws {
        var reader = ByteReader(Self.bytes.rawBytes, at: 2)
        let span = try reader.readBytes(3)
        #expect([UInt8](copying: span) == [3, 4, 5])
        #expect(reader.position == 5)
        let empty = try reader.readBytes(0)
        #expect(empty.byteCount == 0)
        try reader.skip(10)
        #expect(reader.position == 15)
        #expect(reader.bytes.byteCount == 16)
    }

    @Test func readsLengthsOnlyWhenTheirBytesFollow() throws {
        let fitting = hex("02 aabb")
        var reader = ByteReader(fitting.rawBytes)
        #expect(try reader.readLength() == 2)
        #expect(reader.position == 1)

        for text in ["03 aabb", "4003 aabb", "ffffffffffffffff aabb", "c0000000", ""] {
            let bytes = hex(text)
            var short = ByteReader(bytes.rawBytes)
            #expect(throws: DecodeError.truncated) { try short.readLength() }
            #expect(short.position == 0)
        }
    }

    @Test func failuresMoveNothing() {
        for count in 0..<8 {
            let bytes = [UInt8](repeating: 0xff, count: count)
            var reader = ByteReader(bytes.rawBytes)
            #expect(throws: DecodeError.truncated) { try reader.readUInt64() }
            #expect(throws: DecodeError.truncated) { try reader.readInteger(byteCount: count + 1) }
            #expect(throws: DecodeError.truncated) { try reader.skip(count + 1) }
            #expect(throws: DecodeError.truncated) { _ = try reader.readBytes(count + 1) }
            #expect(throws: DecodeError.truncated) { try reader.skip(.max) }
            if count < 4 { #expect(throws: DecodeError.truncated) { try reader.readUInt32() } }
            if count < 2 { #expect(throws: DecodeError.truncated) { try reader.readUInt16() } }
            if count < 1 {
                #expect(throws: DecodeError.truncated) { try reader.readUInt8() }
                #expect(throws: DecodeError.truncated) { try reader.peekUInt8() }
            }
            #expect(reader.position == 0)
        }
    }

    @Test func startsAtTheEndAtMost() {
        var reader = ByteReader(Self.bytes.rawBytes, at: 16)
        #expect(reader.remaining == 0)
        #expect(throws: DecodeError.truncated) { try reader.readUInt8() }
    }
}
