import CDXOpenSSL
import DXWire

/// AES-128-GCM with a random nonce before it: `nonce (12) | ciphertext | tag (16)`. For what is sealed seldom under one key, far
/// below the 2^32 times after which nonces may repeat (NIST SP 800-38D §8.3).
struct RandomNonceSeal: Sendable {
    private let key: SecretBytes

    /// The size that it adds, in bytes.
    static let overhead = nonceByteCount + tagByteCount
    private static let nonceByteCount = 12
    private static let tagByteCount = 16

    /// With a key of 16 bytes.
    init(key: SecretBytes) {
        precondition(key.count == 16, "a key of AES-128 has 16 bytes")
        self.key = key
    }

    /// Seals a content. Throws `packetSize` when it is empty, `cryptography` when OpenSSL fails.
    func seal(_ content: RawSpan) throws(SecureError) -> [UInt8] {
        guard content.byteCount > 0 else { throw .packetSize }
        var sealed = [UInt8](repeating: 0, count: content.byteCount + Self.overhead)
        let isSealed = unsafe withCipher(seals: true) { cipher in
            unsafe sealed.withUnsafeMutableBytes { sealed in
                unsafe SecureRandom.fill(UnsafeMutableRawBufferPointer(rebasing: sealed[..<Self.nonceByteCount]))
                let nonce = unsafe sealed.baseAddress!.assumingMemoryBound(to: UInt8.self)
                return unsafe content.withUnsafeBytes { content in
                    unsafe dx_gcm_seal(
                        cipher, nonce, content.baseAddress, content.count, nonce + Self.nonceByteCount) == 1
                }
            }
        }
        guard isSealed else { throw .lastOpenSSL() }
        return sealed
    }

    /// The content; nil when it was not sealed with this key.
    func open(_ sealed: RawSpan) -> [UInt8]? {
        let count = sealed.byteCount - Self.overhead
        guard count > 0 else { return nil }
        var content = [UInt8](repeating: 0, count: count)
        let isOpened = unsafe withCipher(seals: false) { cipher in
            unsafe sealed.withUnsafeBytes { sealed in
                let nonce = unsafe sealed.baseAddress!.assumingMemoryBound(to: UInt8.self)
                return unsafe dx_gcm_open(
                    cipher, nonce, nonce + Self.nonceByteCount, sealed.count - Self.nonceByteCount, &content) == 1
            }
        }
        if !isOpened { ERR_clear_error() }
        return isOpened ? content : nil
    }

    /// False when OpenSSL has no memory for a cipher.
    private func withCipher(seals: Bool, _ body: (OpaquePointer) -> Bool) -> Bool {
        let cipher = unsafe key.withBytes { key in
            unsafe key.withUnsafeBytes { key in
                unsafe dx_gcm_new(key.baseAddress?.assumingMemoryBound(to: UInt8.self), seals ? 1 : 0)
            }
        }
        guard let cipher = unsafe cipher else { return false }
        defer { unsafe EVP_CIPHER_CTX_free(cipher) }
        return unsafe body(cipher)
    }
}
