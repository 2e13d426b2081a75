import DXWire
import Testing

@testable import DXTunnel

@Suite struct AddressRangeTests {
    @Test(arguments: [
        ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"), ("0.0.0.0/0", "255.1.2.3", "2001:db8::1"),
        ("192.0.2.7", "192.0.2.7", "192.0.2.6"), ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
        ("2001:db8:0:0:8000::/65", "2001:db8::8000:0:0:1", "2001:db8::1"), ("::/0", "::1", "192.0.2.1"),
        ("::1", "::1", "::2"),
    ])
    func holdsWhatBeginsAlike(text: String, inside: String, outside: String) throws {
        let range = try #require(AddressRange(text))
        #expect(range.contains(try #require(Endpoint(address: inside, port: 7))))
        #expect(!range.contains(try #require(Endpoint(address: outside, port: 7))))
        #expect(AddressRange(range.description) == range)
    }

    @Test(arguments: [
        "", "/", "192.0.2.0/", "192.0.2.0/33", "192.0.2.1/24", "192.0.2.0/+1", "192.0.2.0/24/1", "2001:db8::1/64",
        "::/129", "fe80::%1/64", "host/8", "192.0.2.0/0024",
    ])
    func refusesTheRest(text: String) { #expect(AddressRange(text) == nil) }
}
