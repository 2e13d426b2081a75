import DXWire
import Testing

@Suite struct GatewayIDTests {
    /// From an independent base32 implementation (RFC 4648 §6), lower case, padding removed. The last is the SHA-256 of
    /// the two bytes "dx".
    static let vectors: [(String, String)] = [
        (String(repeating: "00", count: 32), String(repeating: "a", count: 52)),
        (String(repeating: "ff", count: 32), String(repeating: "7", count: 51) + "q"),
        (
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
            "aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq"
        ),
        (
            "e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
            "4dq6fy7e4xtop2hj5lv6z3po57ypd4xt6t27n57y7h5px7h5737q"
        ),
        (
            "720f6ac947ab8e448c3a7bb9109e62b72d79a388cb8e05469a6188d76b2e02b3",
            "oihwvskhvohejdb2po4rbhtcw4wxti4izohakru2mgeno2zoakzq"
        ),
    ]

    @Test(arguments: vectors)
    func holdsBothWays(bytesText: String, text: String) throws {
        let bytes = hex(bytesText)
        let id = try #require(GatewayID(bytes))
        #expect(id.text == text)
        #expect(id.description == text)
        #expect(id.bytes == bytes)
        #expect(GatewayID(text: text) == id)
        #expect(GatewayID(text: text.uppercased()) == id)
        var reader = ByteReader(bytes.rawBytes)
        #expect(try GatewayID(reading: &reader) == id)
        #expect(reader.remaining == 0)
        #expect(encoded(capacity: GatewayID.byteCount) { $0.write(id) } == bytes)
    }

    @Test func otherTextIsRefused() {
        let good = Self.vectors[2].1
        #expect(GatewayID(text: "") == nil)
        #expect(GatewayID(text: String(good.dropLast())) == nil)
        #expect(GatewayID(text: good + "a") == nil)
        #expect(GatewayID(text: good + "====") == nil)
        for character in ["0", "1", "8", "9", "=", " ", "-", "_", "/", "@", "[", "`", "{", "\u{0}", "\u{7f}"] {
            #expect(GatewayID(text: character + good.dropFirst()) == nil)
        }
        // Two bytes that are one character.
        #expect(GatewayID(text: "é" + good.dropFirst(2)) == nil)
        // 52 characters of several bytes.
        #expect(GatewayID(text: String(repeating: "ä", count: 52)) == nil)
    }

    /// 52 characters carry 260 bits: the last four must be zero, or one id would have sixteen texts.
    @Test func onlyTwoLastCharactersAreValid() {
        let stem = String(Self.vectors[2].1.dropLast())
        let valid = "abcdefghijklmnopqrstuvwxyz234567".filter { GatewayID(text: stem + String($0)) != nil }
        #expect(valid == "aq")
    }

    @Test func otherLengthsOfBytesAreRefused() {
        for count in [0, 1, 31, 33, 64] { #expect(GatewayID([UInt8](repeating: 1, count: count)) == nil) }
        for count in 0..<32 {
            let bytes = [UInt8](repeating: 1, count: count)
            var reader = ByteReader(bytes.rawBytes)
            #expect(throws: DecodeError.truncated) { try GatewayID(reading: &reader) }
        }
    }

    @Test func everyByteCountsInComparisons() throws {
        let zero = try #require(GatewayID([UInt8](repeating: 0, count: 32)))
        #expect(zero.isEqualInConstantTime(to: zero))
        #expect(zero.role(towards: zero) == nil)
        for index in 0..<32 {
            var bytes = [UInt8](repeating: 0, count: 32)
            bytes[index] = 1
            let other = try #require(GatewayID(bytes))
            #expect(zero < other)
            #expect(!(other < zero))
            #expect(zero != other)
            #expect(!zero.isEqualInConstantTime(to: other))
            #expect(!other.isEqualInConstantTime(to: zero))
            #expect(zero.role(towards: other) == .lower)
            #expect(other.role(towards: zero) == .upper)
        }
    }

    @Test func earlierBytesDecideTheOrder() throws {
        for index in 0..<31 {
            var small = [UInt8](repeating: 0, count: 32)
            var large = small
            small[index] = 1
            small[index + 1] = 0xff
            large[index] = 2
            #expect(try #require(GatewayID(small)) < #require(GatewayID(large)))
        }
    }
}
