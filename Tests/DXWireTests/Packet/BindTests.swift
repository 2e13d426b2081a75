import DXWire
import Testing

@Suite struct BindTests {
    @Test(arguments: BindVector.all.indices)
    func vectorsHoldBothWays(index: Int) throws {
        let vector = BindVector.all[index]
        #expect(
            hexText(encoded(capacity: Bind.maximumByteCount) { vector.bind.write(to: &$0) }) == hexText(vector.bytes))
        #expect(try read(vector.bytes) == vector.bind)
    }

    private func read(_ bytes: [UInt8]) throws(DecodeError) -> Bind {
        var reader = ByteReader(bytes.rawBytes)
        return try Bind(reading: &reader)
    }

    @Test func theLargestFillsItsRoomExactly() {
        var parameters = TransportParameters()
        parameters.initialChannelWindow = VarInt.maximum
        parameters.initialStreamWindow = VarInt.maximum
        parameters.initialStreamCount = VarInt.maximum
        parameters.idleTimeout = .max
        parameters.largestDatagram = VarInt.maximum
        parameters.largestMessage = VarInt.maximum
        parameters.largestPacket = VarInt.maximum
        let bind = Bind(isSeen: true, bootID: .max, channelHalf: .max, pathID: .maximum, parameters: parameters)
        // The acknowledgement delay alone cannot take 8 bytes: its bound fits 4.
        #expect(encoded(capacity: Bind.maximumByteCount) { bind.write(to: &$0) }.count == Bind.maximumByteCount - 4)
    }

    /// Up to the path id everything must be there; after it the parameters may end between any two.
    @Test func truncationsAreRefusedExceptBetweenParameters() throws {
        let bytes = BindVector.all[0].bytes
        let ends: Set = [29, 35, 41, 45, 51, 55, 61, 65]
        #expect(bytes.count == 65)
        for count in 0...bytes.count {
            let part = Array(bytes[..<count])
            if ends.contains(count) {
                #expect(throws: Never.self) { try read(part) }
            } else {
                #expect(throws: DecodeError.truncated, "\(count) bytes") { try read(part) }
            }
        }
    }

    @Test(arguments: [
        // Another kind of plaintext.
        (0, UInt8(0x00), DecodeError.notAPacket), (0, 0x02, .notAPacket), (0, 0x40, .notAPacket),
        // No version at all; a lowest version above the highest, or of 0.
        (1, 0, .invalidValue), (2, 2, .invalidValue), (2, 0, .invalidValue),
    ])
    func wrongFieldsAreRefused(index: Int, value: UInt8, error: DecodeError) {
        var bytes = BindVector.all[0].bytes
        bytes[index] = value
        #expect(throws: error) { try read(bytes) }
    }

    @Test func aPathIDAboveTheLargestIsRefused() {
        let bytes = Array(BindVector.all[0].bytes[..<28]) + hex("c000000080000002")
        #expect(throws: DecodeError.invalidValue) { try read(bytes) }
    }

    @Test func onlyTheLowBitOfSeenCounts() throws {
        var bytes = BindVector.all[0].bytes
        for (value, expected) in [(0, false), (1, true), (0xfe, false), (0xff, true)] as [(UInt8, Bool)] {
            bytes[3] = value
            #expect(try read(bytes).isSeen == expected)
        }
    }
}
