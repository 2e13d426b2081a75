import CDXOpenSSL
import DXWire

/// The secret of a join token: 16 bytes, proved once inside a session and never sent (`docs/group.md` §8). Zeroed when
/// freed; may be shared between threads.
public final class TokenSecret: Sendable {
    private let secret: SecretBytes

    /// The length of the secret.
    public static let byteCount = 16

    /// The secret with these 16 bytes; nil when there are not as many.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        secret = unsafe SecretBytes(bytes.span.bytes)
    }

    /// A new random secret.
    public init() {
        secret = unsafe SecretBytes(capacity: Self.byteCount) { memory in
            unsafe SecureRandom.fill(UnsafeMutableRawBufferPointer(rebasing: memory[..<Self.byteCount]))
            return Self.byteCount
        }
    }

    /// The 16 bytes, for the token and for the file of who made it.
    public var bytes: [UInt8] {
        secret.withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) } }
    }

    /// What the token is called without telling the secret: the first 8 bytes of the SHA-256 of `"DX token 1" 0` and it.
    public var id: UInt64 {
        let name = derived("DX token 1\0").withBytes { Bytes32($0) }
        return name.bytes.prefix(8).reduce(0) { $0 &<< 8 | UInt64($1) }
    }

    /// HMAC-SHA256 over what a session exports, with the SHA-256 of `"DX token proof 1" 0` and the secret as its key.
    func proof(over exported: RawSpan) -> Bytes32? {
        let key = derived("DX token proof 1\0")
        var mac = [UInt8](repeating: 0, count: Bytes32.byteCount)
        let isMade = key.withBytes { key in
            unsafe key.withUnsafeBytes { key in
                unsafe exported.withUnsafeBytes { exported in
                    unsafe dx_hmac_sha256(
                        key.baseAddress?.assumingMemoryBound(to: UInt8.self), exported.baseAddress, exported.count,
                        &mac) == 1
                }
            }
        }
        return isMade ? unsafe Bytes32(mac.span.bytes) : nil
    }

    /// The SHA-256 of a purpose and the secret.
    private func derived(_ purpose: String) -> SecretBytes { secret.derived(purpose) }
}

extension TokenSecret: Equatable {
    /// Whether they are the same, by their ids.
    public static func == (left: TokenSecret, right: TokenSecret) -> Bool { left.id == right.id }
}

extension SecretBytes {
    /// The SHA-256 of a purpose and this: another secret, from which nobody learns this one.
    func derived(_ purpose: String) -> SecretBytes {
        let message = unsafe SecretBytes(capacity: purpose.utf8.count + count) { memory in
            withBytes { bytes in
                var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
                for character in purpose.utf8 { output.write(character) }
                output.write(bytes)
                return unsafe output.finalize(for: memory)
            }
        }
        return unsafe SecretBytes(capacity: Bytes32.byteCount) { memory in
            let isDone = message.withBytes { bytes in
                unsafe bytes.withUnsafeBytes { bytes in
                    unsafe EVP_Digest(
                        bytes.baseAddress, bytes.count, memory.baseAddress?.assumingMemoryBound(to: UInt8.self), nil,
                        EVP_sha256(), nil) == 1
                }
            }
            precondition(isDone, "SHA-256 of bytes in memory does not fail")
            return Bytes32.byteCount
        }
    }
}
