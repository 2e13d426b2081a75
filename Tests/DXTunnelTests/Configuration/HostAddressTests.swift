import DXWire
import Testing

@testable import DXTunnel

@Suite struct HostAddressTests {
    @Test(
        arguments: [
            ("192.0.2.1:80", "192.0.2.1", 80), (":0", "", 0), ("[2001:db8::1]:7700", "2001:db8::1", 7_700),
            ("cloud.example:65535", "cloud.example", 65_535), ("[::]:1", "::", 1), ("a_b-c.d:1", "a_b-c.d", 1),
            ("[::ffff:192.0.2.1]:1", "::ffff:192.0.2.1", 1), ("[fe80::1%1]:1", "fe80::1%1", 1),
            ("localhost:00080", "localhost", 80),
        ] as [(String, String, UInt16)])
    func readsText(text: String, host: String, port: UInt16) throws {
        #expect(try HostAddress(text) == HostAddress(host: host, port: port))
    }

    @Test(
        arguments: [
            ("", .missingPort), ("a", .missingPort), ("a:", .missingPort), ("[::1]", .missingPort),
            ("[::1]x", .missingPort),
            ("a:65536", .badPort), ("a:-1", .badPort), ("a:+1", .badPort), ("a:1x", .badPort), ("a: 1", .badPort),
            ("a:\u{661}", .badPort), ("::1:80", .unbracketedIPv6), ("a:b:1", .unbracketedIPv6),
            ("[::1:80", .unclosedBracket),
            ("[a]:1", .bracketsWithoutIPv6), ("[]:1", .bracketsWithoutIPv6), ("1.2.3:1", .badIPv4),
            ("1.2.3.4.5:1", .badIPv4),
            ("256.1.1.1:1", .badIPv4), ("01.1.1.1:1", .badIPv4), ("a.1:1", .badIPv4), ("[1::2::3]:1", .badIPv6),
            ("[1:2:3:4:5:6:7:8:9]:1", .badIPv6), ("[1:2:3:4:5:6:7]:1", .badIPv6), ("[12345::]:1", .badIPv6),
            ("[:::]:1", .badIPv6), ("[::1%]:1", .badIPv6), ("[::1.2.3]:1", .badIPv6),
            ("[1:2:3:4:5:6:7:8::]:1", .badIPv6),
            ("[::+1]:1", .badIPv6), ("a..b:1", .badHostName), ("-a:1", .badHostName), ("a-:1", .badHostName),
            ("a b:1", .badHostName), ("ä:1", .badHostName), (".:1", .badHostName),
        ] as [(String, HostAddressError)])
    func refusesText(text: String, error: HostAddressError) {
        #expect(throws: error) { try HostAddress(text) }
    }

    @Test func refusesLongNames() {
        let label = String(repeating: "a", count: 63)
        #expect(throws: Never.self) { try HostAddress("\(label).\(label).\(label):1") }
        #expect(throws: HostAddressError.badHostName) { try HostAddress("\(label)a:1") }
        #expect(throws: HostAddressError.badHostName) { try HostAddress("\(label).\(label).\(label).\(label):1") }
    }

    @Test(arguments: [
        ("192.0.2.1", "192.0.2.1:7"), ("::", "[::]:7"), ("2001:db8:0:0:0:0:0:1", "[2001:db8::1]:7"),
        ("::ffff:192.0.2.1", "192.0.2.1:7"), ("64:ff9b::192.0.2.33", "[64:ff9b::c000:221]:7"),
        ("fe80::1%3", "[fe80::1%3]:7"), ("FE80::ABCD", "[fe80::abcd]:7"), ("fe80::1%lo", "[fe80::1%1]:7"),
    ])
    func knowsAddressesWithoutALookUp(host: String, endpoint: String) {
        #expect(HostAddress(host: host, port: 7).endpoint?.description == endpoint)
    }

    @Test func leavesNamesToALookUp() {
        for host in ["", "localhost", "fe80::1%no-such-interface", "1.2.3"] {
            #expect(HostAddress(host: host, port: 7).endpoint == nil)
        }
    }

    @Test func writesWhatItReads() throws {
        for text in ["192.0.2.1:80", ":0", "[2001:db8::1]:7700", "cloud.example:65535"] {
            #expect(try HostAddress(text).description == text)
        }
    }

    @Test func knowsWildcards() {
        for host in ["", "0.0.0.0", "::"] { #expect(HostAddress(host: host, port: 1).isWildcard) }
        for host in ["127.0.0.1", "::1", "localhost"] { #expect(!HostAddress(host: host, port: 1).isWildcard) }
    }
}
