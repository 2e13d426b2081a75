import DXWire
import Testing

@Suite struct FrameTests {
    /// `docs/wire-format.md` §6: all but PADDING, ACK and CLOSE.
    @Test func onlyThreeFramesAskForNoAcknowledgement() {
        for vector in FrameVector.canonical {
            let isSilent = [0x00, 0x02, 0x03, 0x0e].contains(vector.bytes[0])
            #expect(vector.value.frame.isAckEliciting == !isSilent, "\(vector.name)")
        }
    }

    @Test(arguments: [(UInt16(0), UInt16(1)), (1, 1), (256, 256), (257, 256), (.max, 256)])
    func sharesAreBroughtIntoRange(given: UInt16, expected: UInt16) {
        let open = OpenFrame(id: StreamID(rawValue: 0), internalPort: 1, streamClass: .bulk, share: given)
        #expect(open.share == expected)
    }

    @Test func streamHeadersAreAsLongAsTheyAreWritten() {
        for id in [0, 63, 64, 1 << 14, 1 << 30, VarInt.maximum] as [UInt64] {
            for offset in [0, 1, 64, 1 << 14, 1 << 30] as [UInt64] {
                for count in [0, 63, 64, 1_200, 16_384] {
                    let head = encoded(capacity: FrameSize.streamHeadMaximum) {
                        $0.writeStreamHead(
                            id: StreamID(rawValue: id), offset: offset, count: count, isFin: false, hasLength: true)
                    }
                    let predicted = StreamFrame.headerByteCount(
                        id: StreamID(rawValue: id), offset: offset, dataCount: count)
                    #expect(predicted == head.count)
                }
            }
        }
    }

    /// Frames are made per packet, by value: growth here is time on the hot path.
    @Test func layoutIsPinned() {
        #expect(MemoryLayout<Frame>.size == 73)
        #expect(MemoryLayout<Frame>.stride == 80)
        #expect(MemoryLayout<AckFrame>.size == 73)
        #expect(MemoryLayout<StreamFrame>.size == 40)
        #expect(MemoryLayout<OpenFrame>.size == 24)
        #expect(MemoryLayout<ResetFrame>.size == 24)
        #expect(MemoryLayout<PacketSlice>.size == 16)
        #expect(MemoryLayout<Endpoint>.size == 23)
        #expect(MemoryLayout<Endpoint>.stride == 24)
        #expect(MemoryLayout<Instant>.size == 8)
        #expect(MemoryLayout<Interval>.size == 8)
        #expect(MemoryLayout<RandomSource>.size == 32)
        #expect(_isPOD(Frame.self))
        #expect(_isPOD(Endpoint.self))
    }
}
