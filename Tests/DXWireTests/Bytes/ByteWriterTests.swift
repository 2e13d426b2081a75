import DXWire
import Testing

@Suite struct ByteWriterTests {
    @Test func writesBigEndian() {
        let bytes = encoded(capacity: 15) { output in
            output.write(UInt8(0x01))
            output.write(UInt16(0x0203))
            output.write(UInt32(0x0405_0607))
            output.write(UInt64(0x0809_0a0b_0c0d_0e0f))
        }
        #expect(hexText(bytes) == "0102030405060708090a0b0c0d0e0f")
    }

    @Test(arguments: [
        (0, ""), (1, "08"), (2, "0708"), (3, "060708"), (4, "05060708"), (7, "02030405060708"), (8, "0102030405060708"),
    ])
    func writesTheLowBytesOfIntegers(count: Int, text: String) {
        #expect(hexText(encoded(capacity: 8) { $0.writeInteger(0x0102_0304_0506_0708, byteCount: count) }) == text)
    }

    @Test func appendsSpansAndZeros() {
        let data: [UInt8] = [0xaa, 0xbb]
        let empty: [UInt8] = []
        let bytes = encoded(capacity: 8) { output in
            output.write(UInt8(1))
            output.write(data.rawBytes)
            output.write(empty.rawBytes)
            output.writeZeros(3)
            output.writeZeros(0)
            output.write(data.rawBytes)
        }
        #expect(hexText(bytes) == "01aabb000000aabb")
    }

    @Test func fillsTheRoomToTheLastByte() {
        let data = [UInt8](repeating: 7, count: 4)
        encodeInto(8) { output in
            output.write(UInt32(1))
            #expect(output.freeCapacity == 4)
            output.write(data.rawBytes)
            #expect(output.freeCapacity == 0)
        }
    }

    private func encodeInto(_ capacity: Int, _ body: (inout OutputRawSpan) -> Void) {
        #expect(encoded(capacity: capacity, body).count == capacity)
    }

    /// A packet that would not fit is a bug of the caller and must stop the program, not run over memory.
    @Test func writingPastTheCapacityTraps() async {
        await #expect(processExitsWith: .failure) {
            _ = encoded(capacity: 3) { $0.write(UInt32(1)) }
        }
        await #expect(processExitsWith: .failure) {
            let data = [UInt8](repeating: 7, count: 4)
            _ = encoded(capacity: 3) { $0.write(data.rawBytes) }
        }
        await #expect(processExitsWith: .failure) {
            _ = encoded(capacity: 3) { $0.writeZeros(4) }
        }
        await #expect(processExitsWith: .failure) {
            _ = encoded(capacity: 8) { $0.writeVarInt(VarInt.maximum + 1) }
        }
    }
}
