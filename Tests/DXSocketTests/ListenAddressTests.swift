import DXWire
import Testing

@testable import DXSocket

@Suite struct ListenAddressTests {
    @Test(arguments: [
        (":0", ListenAddress(anyAt: 0)), (":7700", ListenAddress(anyAt: 7700)),
        ("0.0.0.0:7700", ListenAddress(Endpoint(v4: 0, port: 7700))),
        ("[::1]:7700", ListenAddress(Endpoint(v6High: 0, low: 1, port: 7700))),
        ("127.0.0.1:0", ListenAddress(.loopback(0))),
    ])
    func formsAreReadAndWritten(_ text: String, _ address: ListenAddress) throws {
        #expect(try ListenAddress(text: text) == address)
        #expect(address.description == text)
    }

    @Test(arguments: ["", ":", ":x", ":70000", "7700", "localhost:7700", "*:7700"])
    func otherTextIsRefused(_ text: String) {
        #expect(throws: AddressTextError.self) { try ListenAddress(text: text) }
    }
}
