import DXWire
import Testing

@Suite struct FragmentHeaderTests {
    @Test(arguments: FragmentVector.heads.indices)
    func vectorsHoldBothWays(index: Int) throws {
        let (header, bytes) = FragmentVector.heads[index]
        #expect(encoded(capacity: FragmentHeader.byteCount) { header.write(to: &$0) } == bytes)
        var reader = ByteReader(bytes.rawBytes)
        #expect(try FragmentHeader(reading: &reader) == header)
        #expect(reader.remaining == 0)
        for count in 0..<bytes.count {
            let part = Array(bytes[..<count])
            var reader = ByteReader(part.rawBytes)
            #expect(throws: DecodeError.truncated) { try FragmentHeader(reading: &reader) }
        }
    }

    @Test func whatIsNoFragment() {
        for text in ["0102030405060708 00 0000000001 0bb8", "0102030405060708 80 0000000001 0000"] {
            let bytes = hex(text)
            var reader = ByteReader(bytes.rawBytes)
            #expect(throws: DecodeError.invalidValue) { try FragmentHeader(reading: &reader) }
        }
        let tooLarge = hex("0102030405060708 80 0000000001 4019")
        var reader = ByteReader(tooLarge.rawBytes)
        #expect(throws: DecodeError.invalidValue) { try FragmentHeader(reading: &reader) }
    }

    @Test func isToldByOneBit() {
        let head = FragmentVector.heads[0].bytes
        var whole = head + [1]
        whole[8] = 0x7f
        func isFragment(_ bytes: [UInt8]) -> Bool { FragmentHeader.isFragment(bytes.rawBytes) }
        #expect(isFragment(head + [1]))
        #expect(!isFragment(head) && !isFragment(whole) && !isFragment([]))
    }

    @Test(arguments: [
        (16_408, 1_472, 12), (16_016, 1_472, 11), (16_017, 1_472, 12), (1, 1_200, 1), (16_408, 528, 33), (1, 527, 0),
        (0, 1_472, 0), (16_409, 1_472, 0), (1_456, 1_472, 1), (1_457, 1_472, 2),
    ])
    func counts(body: Int, datagram: Int, count: Int) {
        #expect(FragmentHeader.count(body: body, datagramByteCount: datagram) == count)
    }

    @Test func capacityAndCountAgree() {
        for datagram in [528, 1_200, 1_452, 1_472, 8_952] {
            for count in 1...(FragmentHeader.maximumBody / (datagram - FragmentHeader.byteCount)) {
                let body = FragmentHeader.bodyCapacity(count: count, datagramByteCount: datagram)
                #expect(FragmentHeader.count(body: body, datagramByteCount: datagram) == count)
            }
        }
    }
}
