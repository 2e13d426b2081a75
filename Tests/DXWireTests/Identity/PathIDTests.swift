import DXWire
import Testing

@Suite struct PathIDTests {
    @Test(arguments: [
        (UInt32(0), ChannelRole.lower, UInt64(0)), (0, .upper, 1), (1, .lower, 2), (1, .upper, 3),
        (1 << 30, .upper, 1 << 31 | 1),
    ])
    func isTwiceTheCountAndTheRole(count: UInt32, role: ChannelRole, value: UInt64) {
        let id = PathID(count: count, role: role)
        #expect(id.rawValue == value)
        #expect(id.role == role)
        #expect(id.description == "\(value)")
    }

    @Test func theLargestIsTheUpperOnesAtTheLastCount() {
        #expect(PathID.maximum == PathID(count: 1 << 30, role: .upper))
        #expect(PathID(count: 1 << 30, role: .lower) < .maximum)
    }

    @Test func rolesAreEachOthersOther() {
        #expect(ChannelRole.lower.other == .upper)
        #expect(ChannelRole.upper.other == .lower)
        #expect(ChannelRole.lower.rawValue == 0)
        #expect(ChannelRole.upper.rawValue == 1)
    }
}
