import DXWire
import Testing

@Suite struct FrameReaderTests {
    private func read(_ bytes: [UInt8], from offset: Int = 0) throws(DecodeError) -> [FrameValue] {
        var reader = FrameReader(bytes.rawBytes, from: offset)
        var values: [FrameValue] = []
        while let frame = try reader.next() { values.append(try FrameValue(frame, in: bytes.rawBytes)) }
        return values
    }

    @Test(arguments: (FrameVector.canonical + FrameVector.alternative).indices)
    func vectorsAreRead(index: Int) throws {
        let vector = (FrameVector.canonical + FrameVector.alternative)[index]
        #expect(try read(vector.bytes) == [vector.value], "\(vector.name)")
    }

    /// Cut anywhere, a frame is refused as truncated; except those whose end is the packet's.
    @Test(arguments: FrameVector.canonical.indices)
    func truncationsAreRefused(index: Int) throws {
        let vector = FrameVector.canonical[index]
        #expect(try read([]) == [])
        for count in 1..<max(1, vector.bytes.count) {
            #expect(throws: DecodeError.truncated, "\(vector.name), \(count) bytes") {
                try read(Array(vector.bytes[..<count]))
            }
        }
    }

    @Test func slicesCountFromTheStartOfThePacket() throws {
        let bytes = hex("ffffff 12 04 02 6869 06 00 01 61 0d 00 01 62 0e 00 01 63 02 00 05 00 01 05 10 04 6465")
        var reader = FrameReader(bytes.rawBytes, from: 3)
        var slices: [PacketSlice] = []
        while let frame = try reader.next() {
            switch frame {
            case .stream(let stream): slices.append(stream.data)
            case .control(let control): slices.append(control.data)
            case .datagram(let datagram): slices.append(datagram.data)
            case .close(let close): slices.append(close.reason)
            case .ack(let ack): slices.append(ack.ranges)
            default: Issue.record("unexpected \(frame)")
            }
        }
        let places = [6, 11, 15, 19, 25, 28]
        let counts = [2, 1, 1, 1, 1, 2]
        #expect(slices == zip(places, counts).map { PacketSlice(offset: $0, count: $1) })
    }

    @Test func framesFollowOneAnother() throws {
        let vectors = FrameVector.canonical
        // Padding swallows the padding after it, so it stands last.
        let bytes = vectors.dropFirst().flatMap(\.bytes) + vectors[0].bytes
        #expect(try read(bytes) == vectors.dropFirst().map(\.value) + [vectors[0].value])
    }

    @Test func everyUnknownTypeBelow64IsRefused() {
        for type in UInt8(0x18)...0x3f {
            #expect(throws: DecodeError.unknownFrame) { try read([type] + [UInt8](repeating: 0, count: 40)) }
        }
    }

    /// A type below 64 has one form; written longer it is not an extension either.
    @Test(arguments: ["4001", "4000 00", "80000001", "c000000000000006 00 00", "403f 00"])
    func knownTypesInALongerFormAreRefused(text: String) {
        #expect(throws: DecodeError.unknownFrame) { try read(hex(text)) }
    }

    @Test(arguments: [
        ("extension without a length", "4041", DecodeError.truncated),
        ("extension longer than the packet", "4041 04 aabbcc", .truncated),
        ("extension of the largest length", "4041 ffffffffffffffff", .truncated),
        ("path status without fields", "4040 00", .truncated),
        ("path status that ends before its last field", "4040 02 03 07 02", .invalidValue),
        ("path status of a path beyond the last", "4040 0a c000000080000002 07 02", .invalidValue),
        ("half a type", "40", .truncated),
        ("stream longer than the packet", "12 04 03 6869", .truncated),
        ("control longer than the packet", "06 00 03 6869", .truncated),
        ("datagram longer than the packet", "0d 00 03 6869", .truncated),
        ("datagram without a length", "0d 00", .truncated),
        ("stream beyond 2^62-1", "16 04 ffffffffffffffff 01 68", .invalidValue),
        ("stream beyond 2^62-1, to the end", "14 04 fffffffffffffffe 6869", .invalidValue),
        ("control beyond 2^62-1", "06 ffffffffffffffff 01 68", .invalidValue),
        ("ack of a path that cannot be", "02 c000000080000002 00 00 01 00", .invalidValue),
        ("retired path that cannot be", "0f ffffffffffffffff", .invalidValue),
        ("ack without ranges", "02 00 05 00 00", .invalidValue),
        ("ack with 257 ranges", "02 00 05 00 4101 00", .invalidValue),
        ("ack with the largest count of ranges", "02 00 05 00 ffffffffffffffff 00", .invalidValue),
        ("ack below 0 in the first range", "02 00 05 00 01 06", .invalidValue),
        ("ack below 0 in a gap", "02 00 05 00 02 04 00 00", .invalidValue),
        ("ack below 0 in a further range", "02 00 05 00 02 00 00 04", .invalidValue),
        ("ack with the largest gap", "02 00 05 00 02 00 ffffffffffffffff 00", .invalidValue),
        ("ack with fewer ranges than it says", "02 00 3f 00 03 00 00 00", .truncated),
        ("ack with ECN without counts", "03 00 05 00 01 00 00 00", .truncated),
    ])
    func wrongFramesAreRefused(name: String, text: String, error: DecodeError) {
        #expect(throws: error, "\(name)") { try read(hex(text)) }
    }

    @Test func reasonsOfCloseHaveALimit() throws {
        let longest = hex("0e 00 4080") + [UInt8](repeating: 0x61, count: 128)
        #expect(try read(longest) == [FrameValue(close: .none, reason: [UInt8](repeating: 0x61, count: 128))])
        let tooLong = hex("0e 00 4081") + [UInt8](repeating: 0x61, count: 129)
        #expect(throws: DecodeError.invalidValue) { try read(tooLong) }
    }

    @Test func anAckOf256RangesIsRead() throws {
        let bytes = hex("02 00 4400 00 4100 00") + [UInt8](repeating: 0, count: 510)
        let values = try read(bytes)
        #expect(values.count == 1)
        #expect(values.first?.ranges.count == 256)
        #expect(values.first?.ranges.last == 514...514)
    }

    @Test func aDelayBeyondTheRangeOfTimeStaysWhatItIs() throws {
        let values = try read(hex("02 00 05 ffffffffffffffff 01 00"))
        #expect(
            values == [
                FrameValue(ack: PathID(rawValue: 0), delay: .microseconds(9_223_372_036_854_775), ranges: [5...5])
            ])
    }

    @Test func aLargePacketOfPaddingIsOneFrame() throws {
        #expect(try read([UInt8](repeating: 0, count: Constants.maximumDatagram)) == [FrameValue(.padding)])
    }
}
