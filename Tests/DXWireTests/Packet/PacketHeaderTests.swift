import Testing

@testable import DXWire

@Suite struct PacketHeaderTests {
    @Test(arguments: PacketHeaderVector.all.indices)
    func vectorsHoldBothWays(index: Int) throws {
        let vector = PacketHeaderVector.all[index]
        let header = PacketHeader(
            pathID: vector.pathID, number: vector.number, largestAcknowledged: vector.largestAcknowledged)
        #expect(encoded(capacity: PacketHeader.maximumByteCount) { $0.write(header) } == vector.bytes)
        #expect(header.byteCount == vector.bytes.count)
        var reader = ByteReader(vector.bytes.rawBytes)
        let read = try PacketHeader(reading: &reader)
        #expect(read == header)
        #expect(reader.remaining == 0)
        #expect(read.number(largestReceived: vector.largestAcknowledged) == vector.number)
    }

    @Test(arguments: PacketHeaderVector.all.indices)
    func truncationsAreRefused(index: Int) {
        let bytes = PacketHeaderVector.all[index].bytes
        for count in 0..<bytes.count {
            let part = Array(bytes[..<count])
            var reader = ByteReader(part.rawBytes)
            #expect(throws: DecodeError.truncated) { try PacketHeader(reading: &reader) }
        }
    }

    @Test func everyOtherFirstByteIsRefused() {
        for first in UInt8.min...UInt8.max where !(0x40...0x43).contains(first) {
            let bytes: [UInt8] = [first, 0, 0, 0, 0, 0]
            var reader = ByteReader(bytes.rawBytes)
            #expect(throws: DecodeError.notAPacket) { try PacketHeader(reading: &reader) }
        }
    }

    @Test func pathIDsAboveTheLargestAreRefused() {
        for text in ["40 c000000080000002 00", "40 ffffffffffffffff 00"] {
            let bytes = hex(text)
            var reader = ByteReader(bytes.rawBytes)
            #expect(throws: DecodeError.invalidValue) { try PacketHeader(reading: &reader) }
        }
    }

    @Test func pathIDsInALongerFormAreRead() throws {
        let bytes = hex("41 c000000000000002 1234")
        var reader = ByteReader(bytes.rawBytes)
        let header = try PacketHeader(reading: &reader)
        #expect(header.pathID == PathID(rawValue: 2))
        #expect(header.truncatedNumber == 0x1234)
        #expect(header.byteCount == 4)
    }

    /// RFC 9000 appendix A.3: 0x9b32 after 0xa82f30ea is 0xa82f9b32. The others are the edges of its formula.
    @Test(arguments: [
        ("41 00 9b32", UInt64?(0xa82f_30ea), UInt64(0xa82f_9b32)),
        ("40 00 00", nil, 0), ("40 00 80", nil, 0x80), ("40 00 ff", nil, 0xff), ("40 00 ff", 0, 0xff),
        // Expected 0x80: 0xff is nearer than -1, which does not exist; 0x00 stays below.
        ("40 00 ff", 0x7f, 0xff), ("40 00 00", 0x7e, 0x00),
        // Expected 0x80: half a window back is already the next window.
        ("40 00 00", 0x7f, 0x100),
        // Expected 0x100: 0xff is the one before, 0x80 half a window ahead, 0x81 in the window before.
        ("40 00 ff", 0xff, 0xff), ("40 00 80", 0xff, 0x180), ("40 00 81", 0xff, 0x81),
        ("43 00 00000000", 0xffff_ffff, 0x1_0000_0000), ("43 00 ffffffff", 0x1_0000_0000, 0xffff_ffff),
        // The end of the number space: never beyond it.
        ("40 00 ff", VarInt.maximum - 1, VarInt.maximum), ("40 00 00", VarInt.maximum - 1, VarInt.maximum - 0xff),
        ("40 00 ff", VarInt.maximum, VarInt.maximum), ("40 00 05", VarInt.maximum, VarInt.maximum - 0xfa),
        ("43 00 00000000", VarInt.maximum, VarInt.maximum - 0xffff_ffff),
    ])
    func numbersAreTheNearestToWhatIsExpected(text: String, largest: UInt64?, number: UInt64) throws {
        let bytes = hex(text)
        var reader = ByteReader(bytes.rawBytes)
        let header = try PacketHeader(reading: &reader)
        #expect(header.number(largestReceived: largest) == number)
    }

    /// Whatever the receiver has seen between the last acknowledged number and the packet, it recovers the number.
    @Test func whatWasWrittenIsRecoveredByEveryReceiver() {
        var random = RandomSource(seed: 11)
        for _ in 0..<20_000 {
            let number = random.next() >> (2 + random.below(62))
            // 4 bytes of number serve 2^31 packets in doubt; a sender never has so many.
            let doubt = 1 + random.below(min(number + 1, 1 << random.below(32)))
            let acknowledged = number >= doubt ? number - doubt : nil
            let header = PacketHeader(pathID: PathID(rawValue: 0), number: number, largestAcknowledged: acknowledged)
            let received = acknowledged.map { $0 + random.below(number - $0) }
            #expect(
                header.number(largestReceived: received) == number,
                "\(number) after \(String(describing: received)), acknowledged \(String(describing: acknowledged))")
        }
    }

    @Test func numbersTakeAsManyBytesAsTheDoubtNeeds() {
        #expect(PacketHeader.byteCount(number: 0, largestAcknowledged: nil) == 1)
        for (doubt, count) in [
            (1, 1), (0x7f, 1), (0x80, 2), (0x7fff, 2), (0x8000, 3), (0x7f_ffff, 3), (0x80_0000, 4), (0x7fff_ffff, 4),
        ] as [(UInt64, Int)] {
            #expect(PacketHeader.byteCount(number: 1 << 40, largestAcknowledged: 1 << 40 - doubt) == count)
            #expect(PacketHeader.byteCount(number: doubt - 1, largestAcknowledged: nil) == count)
        }
    }

    @Test func layoutIsPinned() {
        #expect(MemoryLayout<PacketHeader>.size == 24)
        #expect(MemoryLayout<PathID>.size == 8)
        #expect(MemoryLayout<StreamID>.size == 8)
        #expect(MemoryLayout<ConnectionID>.size == 8)
        #expect(MemoryLayout<GatewayID>.size == 32)
        #expect(_isPOD(PacketHeader.self))
        #expect(_isPOD(GatewayID.self))
    }
}
