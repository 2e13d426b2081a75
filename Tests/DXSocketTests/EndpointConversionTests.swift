import DXWire
import NIOCore
import Testing

@testable import DXSocket

@Suite struct EndpointConversionTests {
    @Test(arguments: [
        ("192.0.2.1", Endpoint(v4: 0xc000_0201, port: 7700)),
        ("2001:db8::a:b", Endpoint(v6High: 0x2001_0db8_0000_0000, low: 0xa_000b, port: 7700)),
        ("::ffff:192.0.2.1", Endpoint(v4: 0xc000_0201, port: 7700)),
        ("fe80::1%1", Endpoint(v6High: 0xfe80_0000_0000_0000, low: 1, scope: 1, port: 7700)),
    ])
    func addressesKeepTheirBytes(_ text: String, _ endpoint: Endpoint) throws {
        #expect(Endpoint(try SocketAddress(ipAddress: text, port: 7700)) == endpoint)
    }

    @Test func aUnixSocketHasNoEndpoint() throws {
        #expect(Endpoint(try SocketAddress(unixDomainSocketPath: "/tmp/x")) == nil)
    }

    @Test func linkLocalIsFe80To10Bits() {
        #expect(Endpoint(v6High: 0xfe80_0000_0000_0000, low: 1, port: 1).isLinkLocalV6)
        #expect(Endpoint(v6High: 0xfebf_ffff_0000_0000, low: 1, port: 1).isLinkLocalV6)
        #expect(!Endpoint(v6High: 0xfec0_0000_0000_0000, low: 1, port: 1).isLinkLocalV6)
        #expect(!Endpoint.loopback(1).isLinkLocalV6)
    }
}
