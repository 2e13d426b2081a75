import DXWire
import Testing

@Suite struct StreamIDTests {
    @Test(arguments: [
        (UInt64(0), ChannelRole.lower, UInt64(0)), (0, .upper, 1), (5, .lower, 10), (5, .upper, 11),
        ((1 << 61) - 1, .upper, VarInt.maximum),
    ])
    func isTwiceTheIndexAndTheRole(index: UInt64, role: ChannelRole, value: UInt64) {
        let id = StreamID(index: index, role: role)
        #expect(id.rawValue == value)
        #expect(id.index == index)
        #expect(id.role == role)
        #expect(id.description == "\(value)")
    }

    @Test func ordersByNumber() {
        #expect(StreamID(rawValue: 3) < StreamID(rawValue: 4))
        #expect(!(StreamID(rawValue: 4) < StreamID(rawValue: 4)))
    }
}
