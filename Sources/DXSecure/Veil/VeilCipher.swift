import CDXOpenSSL
import DXWire

/// AES-128-GCM under the veil key of one secret and one receiver, for one direction. The key is derived and its schedule
/// prepared once; a datagram costs only its nonce.
@safe
final class VeilCipher {
    private let context: OpaquePointer

    /// What the cipher is for.
    enum Direction: Int32 {
        /// Opening what others sent.
        case open = 0
        /// Sealing for the receiver.
        case seal = 1
    }

    /// The cipher of `secret` towards `receiver`. Throws `cryptography` when OpenSSL fails.
    init(_ secret: VeilSecret, receiver: GatewayID, _ direction: Direction) throws(SecureError) {
        let key = Self.key(secret, receiver: receiver)
        let context = unsafe key?.withBytes { key in
            unsafe key.withUnsafeBytes { key in
                unsafe dx_gcm_new(key.baseAddress?.assumingMemoryBound(to: UInt8.self), direction.rawValue)
            }
        }
        guard let context = unsafe context ?? nil else { throw .lastOpenSSL() }
        unsafe self.context = unsafe context
    }

    deinit { unsafe EVP_CIPHER_CTX_free(context) }

    /// The veil key (`docs/wire-format.md` §3), or nil when OpenSSL fails.
    static func key(_ secret: VeilSecret, receiver: GatewayID) -> SecretBytes? {
        let salt = Array("dx veil 1".utf8)
        let info = receiver.bytes
        let key = unsafe SecretBytes(capacity: 16) { memory in
            let isDerived = secret.bytes.withBytes { secret in
                unsafe secret.withUnsafeBytes { secret in
                    unsafe dx_hkdf_sha256(
                        secret.baseAddress, secret.count, salt, salt.count, info, info.count,
                        memory.baseAddress?.assumingMemoryBound(to: UInt8.self), memory.count) == 1
                }
            }
            return isDerived ? 16 : 0
        }
        return key.count == 16 ? key : nil
    }

    /// Appends nonce, ciphertext and tag, for which the output must have room.
    @_lifetime(output: copy output)
    func seal(_ message: RawSpan, nonce: VeilNonce, into output: inout OutputRawSpan) throws(SecureError) {
        let sealedCount = message.byteCount + SecureConstants.veilTag
        precondition(output.freeCapacity >= VeilNonce.byteCount + sealedCount, "the room was asked for before sealing")
        nonce.write(to: &output)
        let isSealed = unsafe message.withUnsafeBytes { message in
            unsafe output.withUnsafeMutableBytes { memory, initialized in
                let start = unsafe memory.baseAddress! + initialized
                let nonce = unsafe UnsafePointer(
                    (start - VeilNonce.byteCount).assumingMemoryBound(to: UInt8.self))
                guard unsafe dx_gcm_seal(context, nonce, message.baseAddress, message.count, start) == 1 else {
                    initialized -= VeilNonce.byteCount
                    return false
                }
                initialized += sealedCount
                return true
            }
        }
        if !isSealed { throw .lastOpenSSL() }
    }

    /// Appends the message of a whole veiled datagram; false, with nothing appended, when it does not open. The output
    /// must have room for the datagram less `veilOverhead`.
    @_lifetime(output: copy output)
    func open(_ datagram: RawSpan, into output: inout OutputRawSpan) -> Bool {
        let plainCount = datagram.byteCount - SecureConstants.veilOverhead
        guard plainCount >= 0 else { return false }
        precondition(output.freeCapacity >= plainCount, "the room was asked for before opening")
        let isOpened = unsafe datagram.withUnsafeBytes { datagram in
            unsafe output.withUnsafeMutableBytes { memory, initialized in
                let nonce = unsafe datagram.baseAddress!.assumingMemoryBound(to: UInt8.self)
                guard
                    unsafe dx_gcm_open(
                        context, nonce, nonce + VeilNonce.byteCount, datagram.count - VeilNonce.byteCount,
                        memory.baseAddress! + initialized) == 1
                else { return false }
                initialized += plainCount
                return true
            }
        }
        if !isOpened { ERR_clear_error() }
        return isOpened
    }
}
