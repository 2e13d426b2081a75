import DXWire
import Testing

@Suite struct FlowHeaderTests {
    private func read(_ bytes: [UInt8]) throws(DecodeError) -> (header: FlowHeader, dataByteCount: Int) {
        var reader = ByteReader(bytes.rawBytes)
        let header = try FlowHeader(reading: &reader)
        return (header, reader.remaining)
    }

    @Test(arguments: FlowVector.heads.indices)
    func vectorsHoldBothWays(index: Int) throws {
        let (header, bytes, count) = FlowVector.heads[index]
        #expect(encoded(capacity: FlowHeader.maximumByteCount) { header.write(to: &$0) } == bytes)
        #expect(header.byteCount == bytes.count)
        let outcome = try read(bytes + [UInt8](repeating: 7, count: count))
        #expect(outcome.header == header && outcome.dataByteCount == count)
        for length in 0..<bytes.count {
            #expect(throws: DecodeError.truncated) { try read(Array(bytes[..<length])) }
        }
    }

    /// Data of another size than the head says, parts that contradict themselves, kinds of later versions.
    @Test func whatIsRefused() {
        let data = [UInt8](repeating: 0, count: 512)
        for (head, data) in [
            ("00000001 07 02", data), ("00000001 07 ff", []),
            ("00000001 07 00", [UInt8](repeating: 0, count: 65_508)),
            // One byte too few, one too many.
            ("00000002 07 01 00000001 0400 0200 00", Array(data.dropLast())),
            ("00000002 07 01 00000001 0400 0200 00", data + [0]),
            // Larger than any datagram; parts that are too small; one part; an index beyond the last.
            ("00000002 07 01 00000001 ffe4 0200 00", data),
            ("00000002 07 01 00000001 0400 01ff 00", Array(data.dropLast())),
            ("00000002 07 01 00000001 0200 0200 00", data), ("00000002 07 01 00000001 0000 0200 00", []),
            ("00000002 07 01 00000001 0400 0200 02", []), ("00000002 07 01 00000001 0400 0200 ff", data),
        ] {
            #expect(throws: DecodeError.invalidValue, "\(head), \(data.count)") { try read(hex(head) + data) }
        }
    }

    /// Parts are as few as can be, all fit, and together they are the datagram.
    @Test func slicesFitAndAreEnough() {
        let header = FlowHeader(internalPort: 1, flow: 70)
        for capacity in [528, 529, 1_000, 1_140, 1_400, 8_900, 16_300] {
            for size in [1, 511, 512, 1_000, 1_200, 1_452, 4_096, 65_506, 65_507] {
                guard let slice = header.slice(of: size, capacity: capacity) else {
                    #expect(header.byteCount + 9 + size <= capacity)
                    continue
                }
                let part = FlowHeader.Part(id: 1, datagramByteCount: size, sliceByteCount: slice, index: 0)
                let whole = FlowHeader(internalPort: 1, flow: 70, part: part)
                #expect(whole.byteCount + slice <= capacity && slice < size)
                #expect((2...128).contains(part.count))
                let sum = (0..<part.count).reduce(0) {
                    $0
                        + FlowHeader.Part(id: 1, datagramByteCount: size, sliceByteCount: slice, index: $1)
                        .byteCount
                }
                #expect(sum == size)
            }
        }
        #expect(header.slice(of: 1_200, capacity: 527) == nil)
        #expect(header.slice(of: 1_200, capacity: 0) == nil)
        #expect(header.slice(of: 65_508, capacity: 1_400) == nil)
        #expect(FlowHeader(internalPort: 1, flow: VarInt.maximum).byteCount == 13)
    }
}
