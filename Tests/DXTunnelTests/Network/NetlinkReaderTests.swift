import DXWire
import Testing

@testable import DXTunnel

/// The kernel's notices, as Linux 6.18 on a little-endian machine wrote them, and what is none.
@Suite struct NetlinkReaderTests {
    /// A number in this host's order.
    private static func number(_ value: UInt32, _ count: Int) -> [UInt8] {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt32(8 * $0)) }
        #if _endian(little)
            return bytes
        #else
            return bytes.reversed()
        #endif
    }

    private static func message(_ kind: UInt32, _ content: [UInt8]) -> [UInt8] {
        let message =
            number(UInt32(16 + content.count), 4) + number(kind, 2) + [0, 0] + number(0, 4) + number(0, 4) + content
        return message + [UInt8](repeating: 0, count: (4 - message.count % 4) % 4)
    }

    private static func attribute(_ kind: UInt32, _ content: [UInt8]) -> [UInt8] {
        let bytes = number(UInt32(4 + content.count), 2) + number(kind, 2) + content
        return bytes + [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4)
    }

    private static func address(_ kind: UInt32, _ family: UInt8, flags: UInt8 = 0, _ attributes: [UInt8]) -> [UInt8] {
        message(kind, [family, 24, flags, 0] + number(7, 4) + attributes)
    }

    private static func link(_ kind: UInt32, flags: UInt32) -> [UInt8] {
        message(
            kind, [0, 0, 1, 0] + number(7, 4) + number(flags, 4) + number(0, 4) + attribute(3, Array("eth0\0".utf8)))
    }

    private static func route(_ kind: UInt32, _ family: UInt8, bits: UInt8) -> [UInt8] {
        message(kind, [family, bits, 0, 0, 254, 3, 0, 1] + number(0, 4))
    }

    private static func all(_ bytes: [UInt8]) -> [NetlinkNotice] {
        var reader = NetlinkReader(bytes)
        var notices: [NetlinkNotice] = []
        while let notice = reader.next() { notices.append(notice) }
        return notices
    }

    @Test func addressesComeAndGo() {
        let v4 = Endpoint(v4: 0xc000_0201, port: 0)
        // The other end of a point-to-point link comes first, as the kernel writes it.
        let attributes =
            Self.attribute(1, [192, 0, 2, 99]) + Self.attribute(2, [192, 0, 2, 1]) + Self.attribute(3, [120, 0])
        #expect(
            Self.all(Self.address(20, 2, attributes) + Self.address(21, 2, attributes)) == [
                .address(v4, index: 7, isTentative: false, isGone: false),
                .address(v4, index: 7, isTentative: false, isGone: true),
            ])
    }

    @Test func anAddressOfTheLinkHasItsScope() {
        let bytes: [UInt8] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
        let address = Endpoint(v6High: 0xfe80 << 48, low: 1, scope: 7, port: 0)
        #expect(
            Self.all(Self.address(20, 10, flags: 0x40, Self.attribute(1, bytes))) == [
                .address(address, index: 7, isTentative: true, isGone: false)
            ])
    }

    @Test func linksAndRoutes() {
        #expect(
            Self.all(
                Self.link(16, flags: 0x1003) + Self.link(16, flags: 0x1043) + Self.link(17, flags: 0)
                    + Self.route(24, 2, bits: 0) + Self.route(25, 10, bits: 0) + Self.route(24, 2, bits: 24)
                    + Self.message(4, [])) == [
                    .link(index: 7, isRunning: false, isGone: false), .link(index: 7, isRunning: true, isGone: false),
                    .link(index: 7, isRunning: false, isGone: true), .defaultRoute(.v4, isGone: false),
                    .defaultRoute(.v6, isGone: true), .other, .overrun,
                ])
    }

    /// What is known of kind and too short for it is there, and says nothing.
    @Test(arguments: [UInt32(16), 17, 20, 21, 24, 25]) func aMessageThatIsTooShortSaysNothing(kind: UInt32) {
        for count in 0..<8 { #expect(Self.all(Self.message(kind, [UInt8](repeating: 2, count: count))) == [.other]) }
    }

    @Test func attributesThatLie() {
        // Lengths of 0 and 3, beyond the message, beyond any; addresses of no size that there is.
        let lies: [[UInt8]] = [
            [0, 0, 1, 0], [3, 0, 1, 0], [9, 0, 1, 0, 1, 2, 3, 4], [0xff, 0xff, 1, 0, 1, 2, 3, 4], [4, 0, 1, 0],
            Self.attribute(1, [1, 2, 3]), Self.attribute(1, [UInt8](repeating: 1, count: 16)), [8, 0, 1],
        ]
        for lie in lies { #expect(Self.all(Self.address(20, 2, lie)) == [.other], "\(lie)") }
        #expect(Self.all(Self.address(20, 10, Self.attribute(1, [1, 2, 3, 4]))) == [.other])
        #expect(Self.all(Self.address(20, 99, Self.attribute(1, [1, 2, 3, 4]))) == [.other])
    }

    @Test func lengthsThatLieEndTheReading() {
        for length in [UInt32(0), 1, 15, 17, 1_000, .max, .max - 2, 1 << 31] {
            let bytes = Self.number(length, 4) + [20, 0] + [UInt8](repeating: 0, count: 10)
            #expect(Self.all(bytes) == [], "\(length)")
        }
    }

    /// Cut anywhere, it is the notices that are whole.
    @Test func everyBeginningCanBeRead() {
        let whole =
            Self.link(16, flags: 0x43) + Self.address(20, 2, Self.attribute(2, [10, 0, 0, 1]))
            + Self.route(24, 2, bits: 0)
        let notices = Self.all(whole)
        #expect(notices.count == 3)
        for count in 0..<whole.count {
            let some = Self.all(Array(whole[..<count]))
            #expect(some.count < 3 && some == Array(notices[..<some.count]), "\(count)")
        }
    }

    /// Nothing traps, whatever the bytes are.
    @Test func anyBytesCanBeRead() {
        var random = RandomSource(seed: 6)
        let whole =
            Self.link(16, flags: 0x43) + Self.address(20, 10, Self.attribute(1, [UInt8](repeating: 9, count: 16)))
        var notices = 0
        for _ in 0..<20_000 {
            var bytes = whole
            for _ in 0...random.below(4) {
                bytes[Int(random.below(UInt64(bytes.count)))] = UInt8(truncatingIfNeeded: random.next())
            }
            notices += Self.all(bytes).count
            let noise = (0..<random.below(80)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            notices += Self.all(noise).count
        }
        #expect(notices > 20_000)
    }
}
