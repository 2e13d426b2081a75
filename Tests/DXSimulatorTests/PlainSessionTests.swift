import DXSimulator
import DXWire
import NIOCore
import Testing

@Suite struct PlainSessionTests {
    private static func pair() -> (PlainSession, PlainSession) {
        let left = ConnectionID(rawValue: 11)
        let right = ConnectionID(rawValue: 22)
        return (
            PlainSession(receiveID: left, sendID: right, key: 99), PlainSession(receiveID: right, sendID: left, key: 99)
        )
    }

    private static func datagram(_ text: String, from session: inout PlainSession) -> ByteBuffer {
        var buffer = PlainSession.makeBuffer(packetCapacity: 100)
        buffer.writeString(text)
        session.seal(&buffer)
        return buffer
    }

    private static func text(_ opened: PlainSession.Opened) -> String? {
        switch opened {
        case .packet(let packet, _): String(buffer: packet)
        case .failed, .replayed: nil
        }
    }

    @Test func opensWhatTheOtherEndSealed() {
        var (left, right) = Self.pair()
        let datagram = Self.datagram("hello", from: &left)
        #expect(datagram.readableBytes == 5 + PlainSession.overheadByteCount)
        #expect(PlainSession.connectionID(of: datagram) == right.receiveID)
        #expect(Self.text(right.open(datagram)) == "hello")
    }

    @Test func refusesEveryFlippedBitAndEveryCut() {
        var (left, right) = Self.pair()
        let datagram = Self.datagram("hello, world", from: &left)
        for index in 0..<datagram.readableBytes {
            for bit in 0..<8 {
                var damaged = datagram
                damaged.setInteger(damaged.getInteger(at: index, as: UInt8.self)! ^ UInt8(1 << bit), at: index)
                #expect(Self.text(right.open(damaged)) == nil)
            }
            var cut = datagram
            cut.moveWriterIndex(to: index)
            #expect(Self.text(right.open(cut)) == nil)
        }
        // None of it spoilt the session: the datagram itself still opens.
        #expect(Self.text(right.open(datagram)) == "hello, world")
    }

    @Test func refusesWhatWasSealedByItself() {
        var (left, _) = Self.pair()
        let datagram = Self.datagram("hello", from: &left)
        #expect(Self.text(left.open(datagram)) == nil)
    }

    @Test func opensOnce() {
        var (left, right) = Self.pair()
        let datagram = Self.datagram("hello", from: &left)
        _ = right.open(datagram)
        #expect(Self.text(right.open(datagram)) == nil)
        #expect(right.replayDroppedCount == 1)
    }

    @Test func opensNewestMinus63ButNotMinus64() {
        var (left, right) = Self.pair()
        let datagrams = (0...100).map { Self.datagram("\($0)", from: &left) }
        _ = right.open(datagrams[100])
        #expect(Self.text(right.open(datagrams[100 - 63])) == "37")
        #expect(Self.text(right.open(datagrams[100 - 64])) == nil)
        #expect(right.replayDroppedCount == 1)
    }
}
