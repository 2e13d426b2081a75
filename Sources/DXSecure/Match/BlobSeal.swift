import CDXOpenSSL
import DXWire

/// The seal of a member's candidates (`docs/matchmaking.md` §6): whoever has the epoch's secret can take it off, the matchmaker
/// cannot. Who made it is for the signature inside to say.
extension VeilSecret {
    /// What a blob has beside its content: nonce and tag.
    public static let blobOverhead = blobNonceByteCount + blobTagByteCount
    private static let blobNonceByteCount = 12
    private static let blobTagByteCount = 16

    /// The blob of a content, for the member with this tag (16 bytes). Throws `packetSize` when the content is empty,
    /// `cryptography` when OpenSSL fails.
    public func sealBlob(_ content: RawSpan, memberTag: [UInt8]) throws(SecureError) -> [UInt8] {
        guard content.byteCount > 0 else { throw .packetSize }
        var blob = [UInt8](repeating: 0, count: content.byteCount + Self.blobOverhead)
        let isSealed = unsafe withBlobCipher(memberTag, seals: true) { cipher in
            unsafe blob.withUnsafeMutableBytes { blob in
                unsafe SecureRandom.fill(UnsafeMutableRawBufferPointer(rebasing: blob[..<Self.blobNonceByteCount]))
                let nonce = unsafe blob.baseAddress!.assumingMemoryBound(to: UInt8.self)
                return unsafe content.withUnsafeBytes { content in
                    unsafe dx_gcm_seal(
                        cipher, nonce, content.baseAddress, content.count, nonce + Self.blobNonceByteCount) == 1
                }
            }
        }
        guard isSealed else { throw .lastOpenSSL() }
        return blob
    }

    /// The content of a blob; nil when it was not sealed with this secret for the member with this tag (16 bytes).
    public func openBlob(_ blob: RawSpan, memberTag: [UInt8]) -> [UInt8]? {
        let count = blob.byteCount - Self.blobOverhead
        guard count > 0 else { return nil }
        var content = [UInt8](repeating: 0, count: count)
        let isOpened = unsafe withBlobCipher(memberTag, seals: false) { cipher in
            unsafe blob.withUnsafeBytes { blob in
                let nonce = unsafe blob.baseAddress!.assumingMemoryBound(to: UInt8.self)
                return unsafe dx_gcm_open(
                    cipher, nonce, nonce + Self.blobNonceByteCount, blob.count - Self.blobNonceByteCount, &content) == 1
            }
        }
        if !isOpened { ERR_clear_error() }
        return isOpened ? content : nil
    }

    /// False when OpenSSL has no memory for a cipher.
    private func withBlobCipher(_ memberTag: [UInt8], seals: Bool, _ body: (OpaquePointer) -> Bool) -> Bool {
        precondition(memberTag.count == 16, "a member tag has 16 bytes")
        let key = bytes.derived(salt: "dx match blob 1", info: memberTag, count: 16)
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
