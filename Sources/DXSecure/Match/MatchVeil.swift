import CDXOpenSSL
public import DXWire

/// What hides datagrams between a matchmaker and those who know its pin (`docs/matchmaking.md` §2): AES-128-GCM under a key
/// that comes from the pin, one for each direction, so that nothing reflected opens. It hides; it proves nothing.
///
/// Bound to one event loop.
@safe
public final class MatchVeil {
    private let seals: OpaquePointer
    private let opens: OpaquePointer

    /// What a datagram has beside its message: nonce and tag.
    public static let overhead = nonceByteCount + tagByteCount
    private static let nonceByteCount = 12
    private static let tagByteCount = 16

    /// The veil of one end. Throws `cryptography` when OpenSSL fails.
    ///
    /// - Parameters:
    ///   - pin: the matchmaker's.
    ///   - isMatchmaker: which end this is.
    public init(pin: GatewayID, isMatchmaker: Bool) throws(SecureError) {
        guard let seals = unsafe Self.cipher(pin, direction: isMatchmaker ? 1 : 0, seals: true) else {
            throw .lastOpenSSL()
        }
        guard let opens = unsafe Self.cipher(pin, direction: isMatchmaker ? 0 : 1, seals: false) else {
            unsafe EVP_CIPHER_CTX_free(seals)
            throw .lastOpenSSL()
        }
        unsafe self.seals = unsafe seals
        unsafe self.opens = unsafe opens
    }

    deinit {
        unsafe EVP_CIPHER_CTX_free(seals)
        unsafe EVP_CIPHER_CTX_free(opens)
    }

    private static func cipher(_ pin: GatewayID, direction: UInt8, seals: Bool) -> OpaquePointer? {
        let salt = Array("dx match 1".utf8)
        var key = [UInt8](repeating: 0, count: 16)
        // The pin is no secret, so neither is the key.
        guard unsafe dx_hkdf_sha256(pin.bytes, 32, salt, salt.count, [direction], 1, &key, key.count) == 1 else {
            return nil
        }
        return unsafe dx_gcm_new(key, seals ? 1 : 0)
    }

    /// The datagram of a message of 1 to `Constants.minimumDatagram` less `overhead` bytes.
    public func seal(_ message: RawSpan) throws(SecureError) -> [UInt8] {
        guard message.byteCount > 0, message.byteCount <= Constants.minimumDatagram - Self.overhead else {
            throw .packetSize
        }
        var datagram = [UInt8](repeating: 0, count: message.byteCount + Self.overhead)
        let isSealed = unsafe datagram.withUnsafeMutableBytes { datagram in
            unsafe SecureRandom.fill(UnsafeMutableRawBufferPointer(rebasing: datagram[..<Self.nonceByteCount]))
            let nonce = unsafe datagram.baseAddress!.assumingMemoryBound(to: UInt8.self)
            return unsafe message.withUnsafeBytes { message in
                unsafe dx_gcm_seal(seals, nonce, message.baseAddress, message.count, nonce + Self.nonceByteCount) == 1
            }
        }
        guard isSealed else { throw .lastOpenSSL() }
        return datagram
    }

    /// The message of a datagram; nil when it does not open, or is too short or too long to be one.
    public func open(_ datagram: RawSpan) -> [UInt8]? {
        let count = datagram.byteCount - Self.overhead
        guard count > 0, datagram.byteCount <= Constants.minimumDatagram else { return nil }
        var message = [UInt8](repeating: 0, count: count)
        let isOpened = unsafe datagram.withUnsafeBytes { datagram in
            let nonce = unsafe datagram.baseAddress!.assumingMemoryBound(to: UInt8.self)
            return unsafe dx_gcm_open(
                opens, nonce, nonce + Self.nonceByteCount, datagram.count - Self.nonceByteCount, &message) == 1
        }
        if !isOpened { ERR_clear_error() }
        return isOpened ? message : nil
    }
}

@available(*, unavailable)
extension MatchVeil: Sendable {}
