import DXWire
import Testing

@testable import DXSecure

@Suite struct PublicKeyTests {
    private func read(_ bytes: [UInt8]) throws -> PublicKey {
        var reader = unsafe ByteReader(bytes.span.bytes)
        return try PublicKey(reading: &reader)
    }

    @Test func readsWhatItWrites() throws {
        let key = try Identity.generate().publicKey
        #expect(try read(key.bytes) == key)
        #expect([UInt8](capacity: 33) { key.write(to: &$0) } == key.bytes)
    }

    @Test func refusesOtherForms() {
        for first: UInt8 in [0, 1, 4, 6, 255] {
            #expect(throws: DecodeError.invalidValue) { try read([first] + [UInt8](repeating: 1, count: 32)) }
        }
        for count in 0..<33 {
            #expect(throws: DecodeError.truncated) { try read([UInt8](repeating: 2, count: count)) }
        }
    }

    /// x = 5 is on the curve, x = 1 is not; an x above the field's prime is no coordinate at all.
    @Test func knowsWhatIsOnTheCurve() throws {
        func key(_ last: UInt8) throws -> PublicKey { try read([2] + [UInt8](repeating: 0, count: 31) + [last]) }
        #expect(try key(5).gatewayID != nil)
        #expect(try key(1).gatewayID == nil)
        let large = try read([2] + [UInt8](repeating: 255, count: 32))
        #expect(large.gatewayID == nil)
        let signature = try unsafe Identity.generate().sign([1].span.bytes)
        #expect(unsafe !large.isValid(signature, for: [1].span.bytes))
    }

    @Test func bothParitiesAreDifferentGateways() throws {
        let key = try Identity.generate().publicKey
        var bytes = key.bytes
        bytes[0] ^= 1
        let other = try read(bytes)
        #expect(other.gatewayID != nil)
        #expect(other.gatewayID != key.gatewayID)
    }
}
