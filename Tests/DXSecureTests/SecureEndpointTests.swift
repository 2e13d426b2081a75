import DXWire
import Testing

@testable import DXSecure

@Suite struct SecureEndpointTests {
    @Test func handshake() throws {
        let pair = try Pair()
        let (a, b) = try pair.establish()
        print(pair.a.sent.map(\.bytes.count), pair.b.sent.map(\.bytes.count), a.cipherName ?? "")
        let packet = Array("hello".utf8)
        let datagram = try a.sealed(packet)
        #expect(datagram.count == 5 + a.sealOverhead)
        #expect(b.opened(datagram) == (.opened, packet))
        #expect(a.opened(try b.sealed(packet)) == (.opened, packet))
    }
}
