public import DXMatch
import DXSecure
import DXWire

/// The hashes and signatures of the host's OpenSSL, for the matchmaker's machine.
public struct OpenSSLMatchCryptography: MatchCryptography, Sendable {
    /// There is one such cryptography.
    public init() {}

    /// SHA-256 (FIPS 180-4).
    public func sha256(_ bytes: RawSpan) -> Block32 { Block32(Bytes32(sha256: bytes)) }

    /// HMAC-SHA256 (RFC 2104).
    public func hmacSHA256(key: Block32, _ bytes: RawSpan) -> Block32 {
        Block32(Bytes32(hmacSHA256: bytes, key: Bytes32(key)))
    }

    /// ECDSA P-256 over SHA-256. Costs about 0.15 ms.
    public func isSignature(_ signature: MatchSignature, by key: PublicPoint, over bytes: RawSpan) -> Bool {
        let text = [UInt8](capacity: PublicPoint.byteCount + MatchSignature.byteCount) {
            key.write(to: &$0)
            signature.write(to: &$0)
        }
        var reader = ByteReader(text.raw)
        guard let key = try? PublicKey(reading: &reader), let signature = try? Signature(reading: &reader) else {
            return false
        }
        return key.isValid(signature, for: bytes)
    }
}

extension Block32 {
    /// The same bytes.
    init(_ bytes: Bytes32) {
        let text = [UInt8](capacity: Bytes32.byteCount) { bytes.write(to: &$0) }
        var reader = ByteReader(text.raw)
        guard let value = try? Block32(reading: &reader) else { preconditionFailure("32 bytes are 32 bytes") }
        self = value
    }
}

extension Bytes32 {
    /// The same bytes.
    init(_ block: Block32) {
        let text = [UInt8](capacity: Block32.byteCount) { block.write(to: &$0) }
        var reader = ByteReader(text.raw)
        guard let value = try? Bytes32(reading: &reader) else { preconditionFailure("32 bytes are 32 bytes") }
        self = value
    }
}
