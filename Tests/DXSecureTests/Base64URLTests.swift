import DXWire
import Testing

@testable import DXSecure

@Suite struct Base64URLTests {
    private func encode(_ bytes: [UInt8]) -> String {
        let text = [UInt8](capacity: Base64URL.encodedByteCount(bytes.count)) { output in
            unsafe Base64URL.encode(bytes.span.bytes, into: &output)
        }
        return String(decoding: text, as: UTF8.self)
    }

    private func decode(_ text: String) -> [UInt8]? {
        let characters = Array(text.utf8)
        var isGood = false
        let bytes = [UInt8](capacity: characters.count) { output in
            isGood = unsafe Base64URL.decode(characters.span.bytes, into: &output)
        }
        return isGood ? bytes : nil
    }

    /// RFC 4648 §10, without padding.
    @Test(arguments: [
        ("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE"),
        ("foobar", "Zm9vYmFy"),
    ])
    func vectors(plain: String, text: String) {
        #expect(encode(Array(plain.utf8)) == text)
        #expect(decode(text) == Array(plain.utf8))
    }

    @Test func allCharacters() {
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        let bytes = decode(alphabet)
        #expect(bytes?.count == 48)
        #expect(bytes.map(encode) == alphabet)
        for character in UInt8.min...UInt8.max {
            let text = "AAA" + String(UnicodeScalar(character))
            guard text.utf8.count == 4 else { continue }
            #expect((decode(text) != nil) == alphabet.utf8.contains(character))
        }
    }
}
