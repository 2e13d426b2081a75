import CDXOpenSSL
import DXWire

/// The seal of notices (`docs/matchmaking.md` §4.1): AES-128-SIV (RFC 5297) under a registration's own key, which both ends
/// derive for each notice and keep nowhere.
public enum NoticeSeal {
    /// What a sealed body has beside the body.
    public static let overhead = 16

    /// Seals a body. Throws `packetSize` when it is empty, `cryptography` when OpenSSL fails.
    ///
    /// - Parameter data: type, version, handle and number, which the seal covers too.
    public static func seal(_ body: RawSpan, data: RawSpan, key: Bytes32) throws(SecureError) -> [UInt8] {
        guard body.byteCount > 0 else { throw .packetSize }
        var sealed = [UInt8](repeating: 0, count: body.byteCount + overhead)
        var key = key.bytes
        defer { unsafe OPENSSL_cleanse(&key, key.count) }
        let isSealed = unsafe body.withUnsafeBytes { body in
            unsafe data.withUnsafeBytes { data in
                unsafe dx_siv_seal(key, data.baseAddress, data.count, body.baseAddress, body.count, &sealed) == 1
            }
        }
        guard isSealed else { throw .lastOpenSSL() }
        return sealed
    }

    /// The body of what was sealed so; nil when it is anything else.
    public static func open(_ sealed: RawSpan, data: RawSpan, key: Bytes32) -> [UInt8]? {
        guard sealed.byteCount > overhead else { return nil }
        var body = [UInt8](repeating: 0, count: sealed.byteCount - overhead)
        var key = key.bytes
        defer { unsafe OPENSSL_cleanse(&key, key.count) }
        let isOpened = unsafe sealed.withUnsafeBytes { sealed in
            unsafe data.withUnsafeBytes { data in
                unsafe dx_siv_open(key, data.baseAddress, data.count, sealed.baseAddress, sealed.count, &body) == 1
            }
        }
        if !isOpened { ERR_clear_error() }
        return isOpened ? body : nil
    }
}
