import DXSecure
import DXWire
import Testing

@Suite struct MatchKeyTests {
    private static let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"

    private static func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    /// The public point was made by another implementation.
    @Test func theScalarSaysWhatThePublicKeyIs() throws {
        let key = try #require(MatchKey(scalar: Array(0x20..<0x40)))
        let point = try key.identity().publicKey.bytes
        #expect(point == Self.bytes("03c6559d416dfb56af714f146d917c24abf818b2fb121604129649848230a2d258"))
        #expect(key.scalar == Array(0x20..<0x40))
    }

    /// 1 is the base point's scalar (SEC 2 §2.4.2), n-1 that of its opposite.
    @Test func theScalarIsOneOfTheCurves() throws {
        let base = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        let one = try #require(MatchKey(scalar: [UInt8](repeating: 0, count: 31) + [1]))
        #expect(try one.identity().publicKey.bytes == [3] + Self.bytes(base))
        var last = Self.bytes(Self.order)
        #expect(MatchKey(scalar: last) == nil)
        last[31] -= 1
        let highest = try #require(MatchKey(scalar: last))
        #expect(try highest.identity().publicKey.bytes == [2] + Self.bytes(base))
        #expect(MatchKey(scalar: [UInt8](repeating: 0, count: 32)) == nil)
        #expect(MatchKey(scalar: [UInt8](repeating: 255, count: 32)) == nil)
        #expect(MatchKey(scalar: [UInt8](repeating: 1, count: 31)) == nil)
    }

    @Test func newOnesDiffer() throws {
        let key = MatchKey.generate()
        #expect(key != MatchKey.generate())
        #expect(try #require(MatchKey(scalar: key.scalar)) == key)
    }

    @Test func whatItSignsIsTheKeys() throws {
        let identity = try MatchKey.generate().identity()
        let message: [UInt8] = [1, 2, 3]
        let signature = unsafe try identity.sign(message.span.bytes)
        let isValid = unsafe identity.publicKey.isValid(signature, for: message.span.bytes)
        #expect(isValid)
    }

    @Test func aDescriptionTellsNothing() {
        let key = MatchKey.generate()
        #expect("\(key)" == "(a match key)" && String(reflecting: key) == "(a match key)")
    }
}
