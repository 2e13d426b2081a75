import DXWire
import Testing

@Suite struct EndpointTests {
    /// RFC 5952 §4: leading zeros go, the longest run of two or more zero groups becomes "::", of equal ones the first,
    /// a single zero group stays, digits are lower case.
    @Test(arguments: [
        (UInt64(0), UInt64(0), "::"), (0, 1, "::1"), (0x2001_0db8_0000_0000, 1, "2001:db8::1"),
        (0x2001_0db8_0000_0001, 0x0001_0001_0001_0001, "2001:db8:0:1:1:1:1:1"),
        (0x2001_0000_0000_0001, 0x0000_0000_0000_0001, "2001:0:0:1::1"),
        (0x2001_0db8_0000_0000, 0x0001_0000_0000_0001, "2001:db8::1:0:0:1"),
        (0x2001_0db8_000a_0bcd, 0xabcd_0000_0000_0000, "2001:db8:a:bcd:abcd::"),
        (0xfe80_0000_0000_0000, 0x0000_0000_0000_0000, "fe80::"),
        (0x0001_0002_0003_0004, 0x0005_0006_0007_0008, "1:2:3:4:5:6:7:8"),
        (0x0000_0002_0003_0004, 0x0005_0006_0007_0008, "0:2:3:4:5:6:7:8"),
        (0x0001_0002_0003_0004, 0x0005_0006_0007_0000, "1:2:3:4:5:6:7:0"),
        (0x0000_0000_0003_0004, 0x0005_0006_0007_0008, "::3:4:5:6:7:8"),
        (0x0001_0002_0003_0004, 0x0005_0006_0000_0000, "1:2:3:4:5:6::"),
        (.max, .max, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        (0x0000_0000_0000_0000, 0x0000_0001_0000_0000, "::1:0:0"),
    ])
    func addressTextIsCanonical(high: UInt64, low: UInt64, text: String) {
        let endpoint = Endpoint(v6High: high, low: low, port: 7700)
        #expect(endpoint.family == .v6)
        #expect(endpoint.addressText == text)
        #expect(endpoint.description == "[\(text)]:7700")
    }

    @Test(arguments: [
        (UInt32(0), UInt16(0), "0.0.0.0:0"), (0xc000_0201, 7700, "192.0.2.1:7700"),
        (.max, 65_535, "255.255.255.255:65535"), (0x0102_0304, 1, "1.2.3.4:1"),
    ])
    func v4Text(address: UInt32, port: UInt16, text: String) {
        #expect(Endpoint(v4: address, port: port).description == text)
    }

    @Test func theScopeIsPartOfTheText() {
        let endpoint = Endpoint(v6High: 0xfe80 << 48, low: 1, scope: 3, port: 9)
        #expect(endpoint.description == "[fe80::1%3]:9")
    }

    @Test func aMappedAddressIsIPv4() {
        let mapped = Endpoint(v6High: 0, low: 0xffff_c000_0201, scope: 4, port: 7700)
        #expect(mapped == Endpoint(v4: 0xc000_0201, port: 7700))
        #expect(mapped.family == .v4)
        // Neighbours of the prefix are not mapped.
        #expect(Endpoint(v6High: 0, low: 0xfffe_c000_0201, port: 1).family == .v6)
        #expect(Endpoint(v6High: 0, low: 0x1_ffff_c000_0201, port: 1).family == .v6)
        #expect(Endpoint(v6High: 1, low: 0xffff_c000_0201, port: 1).family == .v6)
    }

    /// IPv6's discard prefix stands for ways through other members, whatever its port; nothing else does.
    @Test func whatStandsForAForwardedWay() {
        let way = Endpoint.forwarded(number: 0x1234)
        #expect(way.isForwarded && "\(way)" == "[100::1234]:1")
        #expect(way == Endpoint(v6High: 0x0100 << 48, low: 0x1234, port: 1))
        #expect(way.withPort(7).isForwarded)
        #expect(!Endpoint(v6High: 0x0100 << 48 | 1, low: 0x1234, port: 1).isForwarded)
        #expect(!Endpoint(v4: 0x6400_0001, port: 1).isForwarded)
    }

    @Test func portsChangeAlone() {
        let four = Endpoint(v4: 0xc000_0201, port: 1)
        #expect(four.withPort(2) == Endpoint(v4: 0xc000_0201, port: 2))
        let six = Endpoint(v6High: 0xfe80 << 48, low: 5, scope: 6, port: 1)
        #expect(six.withPort(2) == Endpoint(v6High: 0xfe80 << 48, low: 5, scope: 6, port: 2))
        #expect(six.hasSameAddress(as: six.withPort(2)))
        #expect(four.hasSameAddress(as: four.withPort(2)))
        #expect(!four.hasSameAddress(as: six))
        #expect(!six.hasSameAddress(as: Endpoint(v6High: 0xfe80 << 48, low: 5, scope: 7, port: 1)))
        // ::c000:201 has the same bits as 192.0.2.1 but is another host.
        #expect(!four.hasSameAddress(as: Endpoint(v6High: 0, low: 0xc000_0201, port: 1)))
    }

    @Test(arguments: [
        (Endpoint(v4: 0xc000_0201, port: 1), true), (Endpoint(v4: 0xc000_0201, port: 0), false),
        (Endpoint(v4: 0, port: 1), false), (Endpoint(v4: .max, port: 1), false),
        (Endpoint(v4: 0xe000_0001, port: 1), false), (Endpoint(v4: 0xefff_ffff, port: 1), false),
        (Endpoint(v4: 0xdfff_ffff, port: 1), true), (Endpoint(v4: 0xf000_0001, port: 1), true),
        (Endpoint(v6High: 0, low: 1, port: 1), true), (Endpoint(v6High: 0, low: 0, port: 1), false),
        (Endpoint(v6High: 0xff02 << 48, low: 1, port: 1), false),
        (Endpoint(v6High: 0xfeff << 48, low: 1, port: 1), true),
        (Endpoint.forwarded(number: 7), false), (Endpoint(v6High: 0x0100 << 48, low: 0xffff, port: 7_700), false),
        (Endpoint(v6High: 0x0100 << 48 | 1, low: 1, port: 1), true),
        (Endpoint(v6High: 1, low: 0, port: 0), false), (Endpoint(v6High: 0, low: 0xffff_ffff_ffff, port: 1), false),
    ])
    func onlyUnicastAddressesAreSendable(endpoint: Endpoint, expected: Bool) {
        #expect(endpoint.isSendable == expected, "\(endpoint)")
    }
}
