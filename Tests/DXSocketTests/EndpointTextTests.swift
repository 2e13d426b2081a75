import DXWire
import Testing

@testable import DXSocket

@Suite struct EndpointTextTests {
    @Test(arguments: [
        ("192.0.2.1:7700", Endpoint(v4: 0xc000_0201, port: 7700)),
        ("0.0.0.0:0", Endpoint(v4: 0, port: 0)),
        ("[::1]:65535", Endpoint(v6High: 0, low: 1, port: 65_535)),
        ("[2001:db8::a:b]:1", Endpoint(v6High: 0x2001_0db8_0000_0000, low: 0xa_000b, port: 1)),
        ("[::ffff:192.0.2.1]:80", Endpoint(v4: 0xc000_0201, port: 80)),
        ("[fe80::1%1]:80", Endpoint(v6High: 0xfe80_0000_0000_0000, low: 1, scope: 1, port: 80)),
        ("[fe80::1%lo]:80", Endpoint(v6High: 0xfe80_0000_0000_0000, low: 1, scope: 1, port: 80)),
    ])
    func addressesAreRead(_ text: String, _ endpoint: Endpoint) throws {
        #expect(try Endpoint(text: text) == endpoint)
        #expect(try Endpoint(text: endpoint.description) == endpoint)
    }

    @Test(arguments: [
        ("", "lacks a port"), ("192.0.2.1", "lacks a port"), ("[::1]", "lacks a port"), ("[::1", "lacks the ]"),
        ("::1:80", "write [address]:port"), ("2001:db8::1:80", "write [address]:port"),
        ("192.0.2.1:65536", "from 0 to 65535"), ("192.0.2.1:-1", "from 0 to 65535"),
        ("192.0.2.1:", "from 0 to 65535"), ("192.0.2.1: 80", "characters that no address has"),
        ("192.0.2.1:８０", "characters that no address has"),
        ("192.0.2:80", "no IPv4 address"), ("192.0.2.256:80", "no IPv4 address"),
        ("example.org:80", "host name can not stand here"), ("[192.0.2.1]:80", "no IPv6 address"),
        ("[]:80", "no IPv6 address"), ("[::1%]:80", "interface that is not here"),
        ("[fe80::1%nosuch9]:80", "interface that is not here"), ("[::1]x:80", "lacks a port"),
        ("1.2.3.4\u{0}:80", "characters that no address has"),
    ])
    func badTextIsRefusedWithWords(_ text: String, _ words: String) {
        #expect {
            try Endpoint(text: text)
        } throws: { error in
            guard let error = error as? AddressTextError else { return false }
            return error.description.contains(words) && error.description.contains(text)
        }
    }
}
