import DXWire
import Testing

@Suite struct FrameWriterTests {
    @Test(arguments: FrameVector.canonical.indices)
    func vectorsAreWritten(index: Int) {
        let vector = FrameVector.canonical[index]
        let bytes = encoded(capacity: vector.bytes.count) { vector.value.write(to: &$0) }
        #expect(hexText(bytes) == hexText(vector.bytes), "\(vector.name)")
    }

    @Test func aStreamMayEndWithThePacket() {
        func head(offset: UInt64, isFin: Bool) -> String {
            hexText(
                encoded(capacity: FrameSize.streamHeadMaximum) {
                    $0.writeStreamHead(
                        id: StreamID(rawValue: 4), offset: offset, count: 2, isFin: isFin, hasLength: false)
                })
        }
        #expect(head(offset: 0, isFin: false) == "1004")
        #expect(head(offset: 0, isFin: true) == "1104")
        #expect(head(offset: 64, isFin: false) == "14044040")
        #expect(head(offset: 64, isFin: true) == "15044040")
    }

    @Test func paddingIsZeros() {
        #expect(encoded(capacity: 4) { $0.writePadding(4) } == [0, 0, 0, 0])
        #expect(encoded(capacity: 4) { $0.writePadding(0) } == [])
    }

    @Test func aNegativeDelayIsWrittenAsNone() {
        let bytes = encoded(capacity: FrameSize.ackHeadMaximum) {
            $0.writeAckHead(
                pathID: PathID(rawValue: 0), largest: 5, delay: .seconds(-1), rangeCount: 1, firstRangeLength: 0,
                hasECN: false)
        }
        #expect(hexText(bytes) == "020005000100")
    }

    /// A reason too long is cut at a character, never within one.
    @Test(arguments: [
        (String(repeating: "a", count: 128), 128), (String(repeating: "a", count: 129), 128),
        // Two bytes each: 64 fit. Three bytes each: 42 fit.
        (String(repeating: "é", count: 70), 128), (String(repeating: "€", count: 50), 126),
        ("a" + String(repeating: "é", count: 70), 127),
        // One character of 129 bytes: a letter and 64 marks.
        ("a" + String(repeating: "\u{301}", count: 64), 0),
    ])
    func longReasonsAreCutAtACharacter(reason: String, count: Int) {
        let bytes = encoded(capacity: FrameSize.closeMaximum) { $0.writeClose(.internal, reason: reason) }
        let head = count < 64 ? 3 : 4
        #expect(bytes.count == head + count)
        let text = String(validating: bytes[head...], as: UTF8.self)
        #expect(text.map { reason.hasPrefix($0) } == true)
    }

    /// The sizes that packet builders ask for are what the largest frames take; not less, and not more.
    @Test func sizesAreThoseOfTheLargestFrames() {
        let most = VarInt.maximum
        let id = StreamID(rawValue: most)
        func size(_ body: (inout OutputRawSpan) -> Void) -> Int { encoded(capacity: 256, body).count }
        #expect(
            size {
                $0.write(
                    OpenFrame(id: id, internalPort: .max, streamClass: .interactive, share: 256, flags: most))
            } == FrameSize.openMaximum)
        let reset = ResetFrame(id: id, code: StreamCode(rawValue: most), finalSize: most)
        #expect(size { $0.write(reset) } == FrameSize.resetMaximum)
        #expect(size { $0.write(StopFrame(id: id, code: StreamCode(rawValue: most))) } == FrameSize.stopMaximum)
        #expect(size { $0.write(MaxStreamDataFrame(id: id, maximum: most)) } == FrameSize.maxStreamDataMaximum)
        #expect(size { $0.writeMaxData(most) } == FrameSize.limitMaximum)
        #expect(size { $0.writeMaxStreams(most) } == FrameSize.limitMaximum)
        #expect(size { $0.writeRetirePath(.maximum) } == FrameSize.limitMaximum)
        #expect(size { $0.writePathChallenge(most) } == FrameSize.path)
        #expect(size { $0.writePathResponse(most) } == FrameSize.path)
        let count = Constants.maximumDatagram
        #expect(size { $0.writeControlHead(offset: most, count: count) } == FrameSize.controlHeadMaximum)
        #expect(size { $0.writeDatagramHead(flow: most, count: count) } == FrameSize.datagramHeadMaximum)
        #expect(
            size { $0.writeStreamHead(id: id, offset: most, count: count, isFin: true, hasLength: true) }
                == FrameSize.streamHeadMaximum)
        #expect(size { $0.writeAckRange(gap: most, length: most) } == FrameSize.ackRangeMaximum)
        #expect(
            size {
                $0.writeAckHead(
                    pathID: .maximum, largest: most, delay: .max, rangeCount: AckFrame.maximumRangeCount,
                    firstRangeLength: most, hasECN: true)
                $0.writeAckECN(ECNCounts(ect0: most, ect1: most, ce: most))
            } == FrameSize.ackHeadMaximum)
        #expect(
            size { $0.writeClose(CloseCode(rawValue: most), reason: String(repeating: "a", count: 200)) }
                == FrameSize.closeMaximum)
    }
}
