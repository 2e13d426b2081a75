import CDXOpenSSL
public import DXWire

/// A gateway's P-256 key pair. Immutable; may be shared between threads.
@safe
public final class Identity: @unchecked Sendable {
    /// The OpenSSL key. OpenSSL's keys may be used by several threads at once as long as nobody changes them.
    let key: OpaquePointer
    /// The gateway's name on the network.
    public let gatewayID: GatewayID
    /// The public half.
    public let publicKey: PublicKey

    /// Takes over `key`; nil, with the key freed, when it is not a P-256 key.
    init?(adopting key: OpaquePointer) {
        guard let point = unsafe PublicKey.uncompressedPoint(of: key),
            let id = PublicKey.gatewayID(ofUncompressed: point)
        else {
            unsafe EVP_PKEY_free(key)
            return nil
        }
        unsafe self.key = unsafe key
        gatewayID = id
        publicKey = unsafe PublicKey(uncompressed: point.span.bytes)
    }

    deinit { unsafe EVP_PKEY_free(key) }

    /// A new key pair. Throws `cryptography` when OpenSSL cannot make one.
    public static func generate() throws(SecureError) -> Identity {
        guard let key = unsafe dx_key_generate(), let identity = unsafe Identity(adopting: key) else {
            throw .lastOpenSSL()
        }
        return identity
    }

    /// Reads a PEM file without a passphrase (PKCS#8, as `write` makes it) under the rules of `KeyFile`.
    public static func read(from path: String) throws(KeyFileError) -> Identity {
        let content = try KeyFile.read(path)
        let identity = content.withBytes { bytes -> Identity? in
            unsafe bytes.withUnsafeBytes { bytes -> Identity? in
                guard let key = unsafe dx_key_from_pem(bytes.baseAddress, bytes.count) else { return nil }
                return unsafe Identity(adopting: key)
            }
        }
        ERR_clear_error()
        guard let identity else { throw KeyFileError(path: path, reason: .notAnIdentity) }
        return identity
    }

    /// Reads a key from PEM text that the caller holds; nil when it is not a P-256 key.
    public convenience init?(pem: String) {
        var text = pem
        let key = text.withUTF8 { bytes in unsafe dx_key_from_pem(bytes.baseAddress, bytes.count) }
        ERR_clear_error()
        guard let key = unsafe key else { return nil }
        unsafe self.init(adopting: key)
    }

    /// Writes a PKCS#8 PEM file as `KeyFile` does: mode 0600, all of it or nothing, in place of what was there.
    public func write(to path: String) throws(KeyFileError) {
        // A P-256 key in PKCS#8 PEM has 241 bytes.
        let content = unsafe SecretBytes(capacity: 1024) { memory in
            unsafe dx_key_to_pem(key, memory.baseAddress, memory.count)
        }
        guard content.count > 0 else {
            ERR_clear_error()
            throw KeyFileError(path: path, reason: .system(ENOMEM))
        }
        try KeyFile.write(content, to: path)
    }

    /// ECDSA over SHA-256 of `message`. Throws `cryptography` when OpenSSL fails.
    public func sign(_ message: RawSpan) throws(SecureError) -> Signature {
        var signature = [UInt8](repeating: 0, count: Signature.byteCount)
        let isSigned = unsafe message.withUnsafeBytes { message in
            unsafe dx_sign(key, message.baseAddress, message.count, &signature) == 1
        }
        guard isSigned else { throw .lastOpenSSL() }
        return unsafe Signature(signature.span.bytes)
    }
}
