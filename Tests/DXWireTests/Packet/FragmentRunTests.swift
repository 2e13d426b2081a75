import DXWire
import Testing

@Suite struct FragmentRunTests {
    private let record: [UInt8] =
        encoded(capacity: 14) { output in
            output.write(0x0102_0304_0506_0708 as UInt64)
            output.write(0x00ab as UInt16)
            output.write(0xcdef_0123 as UInt32)
        } + (0..<4_000).map { UInt8(truncatingIfNeeded: $0 / 7) }

    /// The record's fragments, as the cutter makes them.
    private func cut(of size: Int) -> [UInt8] {
        encoded(capacity: 5_000) { output in
            var cutter = FragmentCutter(record.rawBytes, datagramByteCount: size)
            while !cutter.isDone { cutter.writeNext(to: &output) }
        }
    }

    private func run(_ bytes: some Sequence<UInt8>, of size: Int) -> FragmentRun? {
        let bytes = Array(bytes)
        return FragmentRun(reading: bytes.rawBytes, datagramByteCount: size)
    }

    @Test(arguments: [528, 1_016, 1_472, 2_016, 4_015])
    func readsWhatTheCutterWrites(size: Int) throws {
        let bytes = cut(of: size)
        let run = try #require(self.run(bytes, of: size))
        #expect(run.connectionID == ConnectionID(rawValue: 0x0102_0304_0506_0708))
        #expect(run.recordNumber == 0xab_cdef_0123)
        #expect(run.bodyByteCount == 4_000 && run.byteCount == bytes.count)
        #expect(run.count == (4_000 + size - 17) / (size - 16))
        // What follows belongs to others.
        #expect(self.run(bytes + [1, 2, 3], of: size) == run)
    }

    @Test(arguments: [528, 1_016, 1_472, 2_016, 4_015])
    func writesTheSameHeaders(size: Int) throws {
        let bytes = cut(of: size)
        let run = try #require(self.run(bytes, of: size))
        var blank = bytes
        for start in stride(from: 0, to: bytes.count, by: size) {
            for index in start..<(start + FragmentHeader.byteCount) { blank[index] = 0xee }
        }
        unsafe blank.withUnsafeMutableBytes { memory in
            var span = unsafe MutableRawSpan(_unsafeBytes: memory)
            run.writeHeaders(into: &span)
        }
        #expect(blank == bytes)
    }

    /// One header that is not what it should be, and the run is none: the assembler is asked.
    @Test func everyBitOfEveryHeaderCounts() {
        let bytes = cut(of: 1_472)
        for start in stride(from: 0, to: bytes.count, by: 1_472) {
            for bit in 0..<(FragmentHeader.byteCount * 8) {
                var changed = bytes
                changed[start + bit / 8] ^= 1 << UInt8(bit % 8)
                #expect(run(changed, of: 1_472) == nil, "\(start), bit \(bit)")
            }
        }
    }

    @Test func missingOrOutOfOrder() {
        let bytes = cut(of: 1_472)
        #expect(run(bytes.dropFirst(1_472), of: 1_472) == nil)
        #expect(run(bytes.dropLast(), of: 1_472) == nil)
        let swapped = Array(bytes[1_472..<2_944] + bytes[..<1_472] + bytes[2_944...])
        #expect(run(swapped, of: 1_472) == nil)
        for count in 0...64 {
            #expect(run(bytes.prefix(count), of: 1_472) == nil)
        }
        for size in [0, 1, 15, 16, 17, 527, 1_471, 1_473, Int.max] {
            #expect(run(bytes, of: size) == nil, "\(size)")
        }
    }

    /// A record in one fragment is not worth a run.
    @Test func oneFragmentIsNoRun() {
        let header = FragmentHeader(
            connectionID: ConnectionID(rawValue: 1), recordNumber: 1, index: 0, isLast: true, bodyByteCount: 600)
        let bytes = encoded(capacity: 16) { header.write(to: &$0) } + [UInt8](repeating: 0, count: 600)
        #expect(run(bytes, of: 616) == nil)
    }
}
