import CDXOpenSSL
import DXWire

/// A P-256 key that is told by its scalar, as a group's match key is (`docs/matchmaking.md` §6). Zeroed when freed; may be shared
/// between threads.
public final class MatchKey: Sendable {
    private let bytes: SecretBytes

    /// The length of the scalar.
    public static let byteCount = 32

    /// The key with this scalar, 32 bytes, big-endian; nil unless it lies in 1...n-1, where n is the curve's order.
    public convenience init?(scalar: [UInt8]) {
        guard scalar.count == Self.byteCount else { return nil }
        self.init(unsafe SecretBytes(scalar.span.bytes))
    }

    private init?(_ bytes: SecretBytes) {
        let scalar = bytes.withBytes { Bytes32($0) }
        guard Self.zero < scalar, scalar < Self.order else { return nil }
        self.bytes = bytes
    }

    /// A new random key.
    public static func generate() -> MatchKey {
        while true {
            let bytes = unsafe SecretBytes(capacity: byteCount) { memory in
                unsafe SecureRandom.fill(UnsafeMutableRawBufferPointer(rebasing: memory[..<byteCount]))
                return byteCount
            }
            // One of 2^32 random numbers is none.
            if let key = MatchKey(bytes) { return key }
        }
    }

    /// The 32 bytes, for the group's record and nothing else.
    public var scalar: [UInt8] {
        bytes.withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) } }
    }

    /// The key pair, which signs. Costs about 0.1 ms. Throws `cryptography` when OpenSSL fails.
    public func identity() throws(SecureError) -> Identity {
        // RFC 5208 around RFC 5915, without the public key, which OpenSSL computes.
        let der = unsafe SecretBytes(capacity: Self.derPrefix.count + Self.byteCount) { memory in
            bytes.withBytes { scalar in
                var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
                for byte in Self.derPrefix { output.write(byte) }
                output.write(scalar)
                return unsafe output.finalize(for: memory)
            }
        }
        let key = unsafe der.withBytes { der in
            unsafe der.withUnsafeBytes { der in
                var cursor = unsafe der.baseAddress?.assumingMemoryBound(to: UInt8.self)
                return unsafe d2i_AutoPrivateKey(nil, &cursor, der.count)
            }
        }
        guard let key = unsafe key, let identity = unsafe Identity(adopting: key) else { throw .lastOpenSSL() }
        return identity
    }

    private static let zero = unsafe Bytes32([UInt8](repeating: 0, count: byteCount).span.bytes)
    /// SEC 2 §2.4.2.
    private static let order: Bytes32 = {
        let bytes: [UInt8] = [
            0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
        ]
        return unsafe Bytes32(bytes.span.bytes)
    }()

    /// `PrivateKeyInfo { 0, id-ecPublicKey prime256v1, ECPrivateKey { 1, 32 bytes` … `} }`.
    private static let derPrefix: [UInt8] = [
        0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01, 0x01, 0x04, 0x20,
    ]
}

extension MatchKey: Equatable {
    /// Whether they are the same, in constant time.
    public static func == (left: MatchKey, right: MatchKey) -> Bool {
        left.bytes.withBytes { left in
            let left = Bytes32(left)
            return right.bytes.withBytes { left.isEqualInConstantTime(to: Bytes32($0)) }
        }
    }
}

extension MatchKey: CustomStringConvertible {
    /// Nothing of it.
    public var description: String { "(a match key)" }
}
