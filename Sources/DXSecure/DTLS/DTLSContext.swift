import CDXOpenSSL

/// What all DTLS associations of one gateway share: its key, its certificate, the suites and options. Owns OpenSSL's
/// context.
@safe
final class DTLSContext {
    let pointer: OpaquePointer

    /// Throws `cryptography` when OpenSSL lacks something.
    init(_ identity: Identity, prefersChaCha: Bool?) throws(SecureError) {
        ERR_clear_error()
        guard let certificate = unsafe dx_certificate(identity.key) else { throw .lastOpenSSL() }
        defer { unsafe X509_free(certificate) }
        let prefersChaCha = prefersChaCha ?? (dx_cpu_accelerates_aes() == 0)
        guard let context = unsafe dx_dtls_context_new(identity.key, certificate, prefersChaCha ? 1 : 0) else {
            throw .lastOpenSSL()
        }
        unsafe pointer = unsafe context
    }

    deinit { unsafe SSL_CTX_free(pointer) }
}
