import DXWire

@testable import DXMatch

/// Cryptography of the right shape and no strength. A signature is a hash over key and text, which anybody can make: whom it is
/// said to be by is what the tests vary.
struct FakeCryptography: MatchCryptography {
    func sha256(_ bytes: RawSpan) -> Block32 { hash(bytes, from: 0x5a) }

    func hmacSHA256(key: Block32, _ bytes: RawSpan) -> Block32 {
        let keyed = Written.bytes(capacity: Block32.byteCount + bytes.byteCount) {
            key.write(to: &$0)
            $0.write(bytes)
        }
        return hash(keyed.raw, from: 0xa5)
    }

    func isSignature(_ signature: MatchSignature, by key: PublicPoint, over bytes: RawSpan) -> Bool {
        signature == sign(bytes, by: key)
    }

    /// The signature that `isSignature` takes.
    func sign(_ bytes: RawSpan, by key: PublicPoint) -> MatchSignature {
        MatchSignature(r: hmacSHA256(key: key.x, bytes), s: key.x)
    }

    private func hash(_ bytes: RawSpan, from start: UInt64) -> Block32 {
        var words: [4 of UInt64] = [start, start &+ 1, start &+ 2, start &+ 3]
        for index in 0..<bytes.byteCount {
            let byte = UInt64(unsafe bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self))
            for word in words.indices {
                words[word] = (words[word] ^ byte) &* (0x9e37_79b9_7f4a_7c15 &+ UInt64(word) &* 2)
                words[word] ^= words[word] &>> 31
            }
        }
        return Block32(words[0], words[1], words[2], words[3])
    }
}
