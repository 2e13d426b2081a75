import DXWire

/// Frames and their bytes, written by hand from `docs/wire-format.md` §6.
struct FrameVector {
    /// What the failure of a test says.
    let name: String
    /// The bytes.
    let bytes: [UInt8]
    /// What they mean.
    let value: FrameValue

    /// `text` is hexadecimal.
    init(_ name: String, _ text: String, _ value: FrameValue) {
        self.name = name
        bytes = hex(text)
        self.value = value
    }

    /// In the form that our writers give: these hold both ways.
    static let canonical: [FrameVector] = [
        FrameVector("padding", "00", FrameValue(.padding)),
        FrameVector("ping", "01", FrameValue(.ping)),
        FrameVector(
            "ack of one range", "02 03 0a 4064 01 02",
            FrameValue(ack: PathID(rawValue: 3), delay: .microseconds(100), ranges: [8...10])),
        FrameVector(
            "ack of three ranges", "02 00 43e8 800061a8 03 00 01 04 00 00",
            FrameValue(
                ack: PathID(rawValue: 0), delay: .milliseconds(25), ranges: [1000...1000, 993...997, 991...991])),
        FrameVector(
            "ack with ECN", "03 05 3f 00 01 3f 4040 01 7fff",
            FrameValue(
                ack: PathID(rawValue: 5), delay: .zero, ranges: [0...63],
                ecn: ECNCounts(ect0: 64, ect1: 1, ce: 16_383))),
        FrameVector(
            "ack of the last packet number", "02 c000000080000001 ffffffffffffffff 00 01 00",
            FrameValue(ack: .maximum, delay: .zero, ranges: [VarInt.maximum...VarInt.maximum])),
        FrameVector(
            "ack of every packet number", "02 00 ffffffffffffffff 00 01 ffffffffffffffff",
            FrameValue(ack: PathID(rawValue: 0), delay: .zero, ranges: [0...VarInt.maximum])),
        FrameVector(
            "reset", "04 04 01 80010000",
            FrameValue(.reset(ResetFrame(id: StreamID(rawValue: 4), code: .refused, finalSize: 65_536)))),
        FrameVector(
            "stop", "05 05 00", FrameValue(.stop(StopFrame(id: StreamID(rawValue: 5), code: .aborted)))),
        FrameVector(
            "control", "06 80004000 03 616263", FrameValue(control: 16_384, data: [0x61, 0x62, 0x63])),
        FrameVector("max data", "07 c000000040000000", FrameValue(.maxData(1 << 30))),
        FrameVector(
            "max stream data", "08 08 8000ffff",
            FrameValue(.maxStreamData(MaxStreamDataFrame(id: StreamID(rawValue: 8), maximum: 65_535)))),
        FrameVector("max streams", "09 4064", FrameValue(.maxStreams(100))),
        FrameVector(
            "open, interactive", "0a 02 deadbeef 01 01 00",
            FrameValue(
                .open(
                    OpenFrame(
                        id: StreamID(rawValue: 2), internalPort: 0xdead_beef, streamClass: .interactive, share: 1)))),
        FrameVector(
            "open, bulk", "0a 4041 00000001 00 4100 05",
            FrameValue(
                .open(
                    OpenFrame(
                        id: StreamID(rawValue: 65), internalPort: 1, streamClass: .bulk, share: 256, flags: 5)))),
        FrameVector("path challenge", "0b 0102030405060708", FrameValue(.pathChallenge(0x0102_0304_0506_0708))),
        FrameVector("path response", "0c f0e0d0c0b0a09080", FrameValue(.pathResponse(0xf0e0_d0c0_b0a0_9080))),
        FrameVector("datagram", "0d 07 02 cafe", FrameValue(datagram: 7, data: [0xca, 0xfe])),
        FrameVector("datagram without data", "0d 00 00", FrameValue(datagram: 0, data: [])),
        FrameVector("close", "0e 05 03 626164", FrameValue(close: .streamState, reason: Array("bad".utf8))),
        FrameVector("close without reason", "0e 4064 00", FrameValue(close: CloseCode(rawValue: 100), reason: [])),
        FrameVector("retire path", "0f 03", FrameValue(.retirePath(PathID(rawValue: 3)))),
        FrameVector("retire the last path", "0f c000000080000001", FrameValue(.retirePath(.maximum))),
        FrameVector(
            "stream from its start", "12 04 02 6869",
            FrameValue(stream: StreamID(rawValue: 4), offset: 0, isFin: false, data: [0x68, 0x69])),
        FrameVector(
            "stream, start and end", "13 04 02 6869",
            FrameValue(stream: StreamID(rawValue: 4), offset: 0, isFin: true, data: [0x68, 0x69])),
        FrameVector(
            "stream with offset", "16 04 4040 02 6869",
            FrameValue(stream: StreamID(rawValue: 4), offset: 64, isFin: false, data: [0x68, 0x69])),
        FrameVector(
            "end of a stream without data", "17 ffffffffffffffff ffffffffffffffff 00",
            FrameValue(
                stream: StreamID(rawValue: VarInt.maximum), offset: VarInt.maximum, isFin: true, data: [])),
        FrameVector("empty extension", "4041 00", FrameValue(.unknownExtension)),
        FrameVector(
            "path status", "4040 03 03 07 02",
            FrameValue(
                .pathStatus(PathStatusFrame(id: PathID(rawValue: 3), sequence: 7, preference: .metered)))),
    ]

    /// Other forms of the same, which a decoder must take too.
    static let alternative: [FrameVector] = [
        FrameVector("padding of four bytes", "00000000", FrameValue(.padding)),
        FrameVector(
            "stream to the end of the packet", "10 04 6869",
            FrameValue(stream: StreamID(rawValue: 4), offset: 0, isFin: false, data: [0x68, 0x69])),
        FrameVector(
            "end of a stream to the end of the packet", "11 04 6869",
            FrameValue(stream: StreamID(rawValue: 4), offset: 0, isFin: true, data: [0x68, 0x69])),
        FrameVector(
            "stream with offset to the end of the packet", "14 04 4040 6869",
            FrameValue(stream: StreamID(rawValue: 4), offset: 64, isFin: false, data: [0x68, 0x69])),
        FrameVector(
            "end of a stream with offset, to the end of the packet", "15 04 4040",
            FrameValue(stream: StreamID(rawValue: 4), offset: 64, isFin: true, data: [])),
        FrameVector(
            "stream with offset 0 written out", "16 04 00 02 6869",
            FrameValue(stream: StreamID(rawValue: 4), offset: 0, isFin: false, data: [0x68, 0x69])),
        FrameVector("varint longer than needed", "07 c000000000000001", FrameValue(.maxData(1))),
        FrameVector(
            "ack with varints longer than needed", "02 4003 8000000a 4064 4001 c000000000000002",
            FrameValue(ack: PathID(rawValue: 3), delay: .microseconds(100), ranges: [8...10])),
        FrameVector(
            "open of an unknown class with share 0", "0a 02 00000007 02 00 00",
            FrameValue(
                .open(OpenFrame(id: StreamID(rawValue: 2), internalPort: 7, streamClass: .bulk, share: 1)))),
        FrameVector(
            "open with the largest share", "0a 02 00000007 ff ffffffffffffffff 00",
            FrameValue(
                .open(OpenFrame(id: StreamID(rawValue: 2), internalPort: 7, streamClass: .bulk, share: 256)))),
        FrameVector("extension", "4041 03 aabbcc", FrameValue(.unknownExtension)),
        FrameVector(
            "path status with a field of a later version", "4040 05 03 07 01 aabb",
            FrameValue(
                .pathStatus(PathStatusFrame(id: PathID(rawValue: 3), sequence: 7, preference: .backup)))),
        FrameVector(
            "path status, a wish of a later version", "4040 03 03 07 09",
            FrameValue(
                .pathStatus(PathStatusFrame(id: PathID(rawValue: 3), sequence: 7, preference: .metered)))),
        FrameVector("extension of the highest type", "ffffffffffffffff 4001 aa", FrameValue(.unknownExtension)),
        FrameVector(
            "close with a reason that is not UTF-8", "0e 00 02 fffe", FrameValue(close: .none, reason: [0xff, 0xfe])),
    ]

    /// Whole packets' worth of frames, as a channel sends them; for mutations and as seeds of the fuzzer.
    static let sequences: [[UInt8]] = [
        hex("02 00 43e8 800061a8 03 00 01 04 00 00  12 04 02 6869  16 06 4040 02 6869  10 08 616263"),
        hex("0a 02 deadbeef 01 01 00  12 02 03 616263  06 00 05 0401024142  07 80100000  08 02 80040000  09 4064"),
        hex("01 00000000 0b 0102030405060708 0c 0102030405060708 0f 03 4041 03 aabbcc 04 04 01 05 05 05 00"),
        hex("03 05 3f 00 02 01 00 02 4040 01 7fff 0d 07 02 cafe 0e 05 03 626164 000000"),
    ]
}
