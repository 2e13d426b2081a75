import DXWire
import Testing

@Suite struct VarIntTests {
    /// RFC 9000 appendix A.1, and the ends of each length (§16, table 4).
    static let vectors: [(String, UInt64)] = [
        ("c2197c5eff14e88c", 151_288_809_941_952_652), ("9d7f3e7d", 494_878_333), ("7bbd", 15_293), ("25", 37),
        ("00", 0), ("3f", 63), ("4040", 64), ("7fff", 16_383), ("80004000", 16_384), ("bfffffff", 1_073_741_823),
        ("c000000040000000", 1_073_741_824), ("ffffffffffffffff", 4_611_686_018_427_387_903),
    ]

    @Test(arguments: vectors)
    func holdsBothWays(text: String, value: UInt64) throws {
        let bytes = hex(text)
        var reader = ByteReader(bytes.rawBytes)
        #expect(try reader.readVarInt() == value)
        #expect(reader.remaining == 0)
        #expect(VarInt.byteCount(value) == bytes.count)
        #expect(encoded(capacity: 8) { $0.writeVarInt(value) } == bytes)
    }

    /// RFC 9000 appendix A.1: 37 in two bytes; a decoder takes every length.
    @Test(arguments: [("4025", UInt64(37)), ("80000025", 37), ("c000000000000025", 37), ("4000", 0)])
    func longerFormsAreRead(text: String, value: UInt64) throws {
        let bytes = hex(text)
        var reader = ByteReader(bytes.rawBytes)
        #expect(try reader.readVarInt() == value)
        #expect(reader.remaining == 0)
    }

    @Test(arguments: vectors)
    func truncationsAreRefusedAndMoveNothing(text: String, value: UInt64) {
        let bytes = hex(text)
        for count in 0..<bytes.count {
            let part = Array(bytes[..<count])
            var reader = ByteReader(part.rawBytes)
            #expect(throws: DecodeError.truncated) { try reader.readVarInt() }
            #expect(reader.position == 0)
        }
    }

    @Test func maximumIsThatOfTheRFC() {
        #expect(VarInt.maximum == 4_611_686_018_427_387_903)
    }
}
