import DXWire
import Testing

@Suite struct AckFrameTests {
    /// Sets of packet numbers written as ACK and read back, against the set itself.
    @Test func rangesAreThoseOfTheSet() throws {
        var random = RandomSource(seed: 5)
        for _ in 0..<500 {
            let received = Set((0..<(1 + random.below(60))).map { _ in random.below(120) })
            let ranges = descendingRanges(of: received)
            let value = FrameValue(ack: PathID(rawValue: 1), delay: .zero, ranges: ranges)
            let bytes = encoded(capacity: 512) { value.write(to: &$0) }
            var reader = FrameReader(bytes.rawBytes, from: 0)
            guard case .ack(let frame) = try reader.next() else {
                Issue.record("not an ACK: \(hexText(bytes))")
                return
            }
            #expect(frame.largest == received.max())
            #expect(frame.rangeCount == ranges.count)
            var acknowledged: Set<UInt64> = []
            var walk = AckRangeReader(frame, in: bytes.rawBytes)
            while let range = try walk.next() {
                #expect(acknowledged.min().map { range.upperBound + 1 < $0 } ?? true, "ranges fall and do not touch")
                acknowledged.formUnion(range)
            }
            #expect(acknowledged == received)
            #expect(try walk.next() == nil)
        }
    }

    private func descendingRanges(of numbers: Set<UInt64>) -> [ClosedRange<UInt64>] {
        var ranges: [ClosedRange<UInt64>] = []
        for number in numbers.sorted(by: >) {
            if let last = ranges.last, last.lowerBound == number + 1 {
                ranges[ranges.count - 1] = number...last.upperBound
            } else {
                ranges.append(number...number)
            }
        }
        return ranges
    }

    /// Both ends must agree on it: more ranges than this close the channel.
    @Test func theLimitOfRangesIsThatOfTheWireFormat() {
        #expect(AckFrame.maximumRangeCount == 256)
    }

    /// A walk over a frame that was not read by `FrameReader` ends with an error, not with a trap.
    @Test func aForgedFrameEndsInAnError() {
        let packet = hex("05 00 09")
        let frame = AckFrame(
            pathID: PathID(rawValue: 0), largest: 3, delay: .zero, rangeCount: 3,
            ranges: PacketSlice(offset: 0, count: 3), ecn: nil)
        var walk = AckRangeReader(frame, in: packet.rawBytes)
        #expect(throws: DecodeError.invalidValue) { try walk.next() }
    }
}
