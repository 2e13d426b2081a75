import DXWire
import Testing

/// The table of `docs/wire-format.md` §6.
@Suite struct FrameTypeTests {
    @Test func numbersAreThoseOfTheWireFormat() {
        let types = [
            FrameType.padding, FrameType.ping, FrameType.ack, FrameType.ackECN, FrameType.reset, FrameType.stop,
            FrameType.control, FrameType.maxData, FrameType.maxStreamData, FrameType.maxStreams, FrameType.open,
            FrameType.pathChallenge, FrameType.pathResponse, FrameType.datagram, FrameType.close, FrameType.retirePath,
            FrameType.stream,
        ]
        #expect(types == Array(0x00...0x10))
        #expect(FrameType.streamFin == 0x01)
        #expect(FrameType.streamLength == 0x02)
        #expect(FrameType.streamOffset == 0x04)
        #expect(FrameType.firstExtension == 64)
    }
}
