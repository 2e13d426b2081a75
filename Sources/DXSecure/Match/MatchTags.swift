import CDXOpenSSL
public import DXWire

/// The pseudonyms and keys of a group at a matchmaker, each made of a secret and the matchmaker's pin (`docs/matchmaking.md` §1,
/// §6): two matchmakers that compare what they hold find nothing in common.
extension VeilSecret {
    /// The group tag of this epoch at the matchmaker with this pin: 16 bytes.
    public func groupTag(pin: GatewayID) -> [UInt8] { bytes.matchTag("DX group tag 1\0", pin: pin) }
}

/// What those who hold an invitation and its maker share (`docs/matchmaking.md` §6), made of the join seed of its tokens.
public struct Rendezvous: Sendable {
    private let seed: SecretBytes

    /// That of a join seed of 16 bytes; nil when there are not as many.
    public init?(joinSeed: [UInt8]) {
        guard joinSeed.count == TokenSecret.byteCount else { return nil }
        seed = unsafe SecretBytes(joinSeed.span.bytes)
    }

    /// The group tag under which they meet at the matchmaker with this pin: 16 bytes.
    public func tag(pin: GatewayID) -> [UInt8] { seed.matchTag("DX rendezvous tag 1\0", pin: pin) }

    /// The match key under which they register there. Throws `cryptography` when OpenSSL fails.
    public func matchKey(pin: GatewayID) throws(SecureError) -> Identity {
        try seed.derivedKey("dx rendezvous key 1", info: pin.bytes)
    }
}

extension Identity {
    /// Our member key for an epoch and a matchmaker (`docs/matchmaking.md` §6): the same whenever it is asked for, and nothing
    /// that those who know us by this identity could know it by. Throws `cryptography` when OpenSSL fails.
    ///
    /// - Parameter groupTag: that of the epoch at the matchmaker with this pin, 16 bytes.
    public func memberKey(pin: GatewayID, groupTag: [UInt8]) throws(SecureError) -> Identity {
        precondition(groupTag.count == 16, "a group tag has 16 bytes")
        let scalar = unsafe SecretBytes(capacity: Bytes32.byteCount) { memory in
            unsafe dx_key_scalar(key, memory.baseAddress?.assumingMemoryBound(to: UInt8.self)) == 1
                ? Bytes32.byteCount : 0
        }
        guard scalar.count > 0 else { throw .lastOpenSSL() }
        return try scalar.derivedKey("dx member key 1", info: pin.bytes + groupTag)
    }
}

extension SecretBytes {
    /// The head of HMAC-SHA256 under these bytes, at most 32, over a label and a pin.
    func matchTag(_ label: String, pin: GatewayID) -> [UInt8] {
        let text = Array(label.utf8) + pin.bytes
        return Array(hmacSHA256(text).bytes.prefix(16))
    }

    /// HMAC-SHA256 (RFC 2104) under these bytes, at most 32.
    private func hmacSHA256(_ text: [UInt8]) -> Bytes32 {
        // Zeros behind a shorter key are a part of it already.
        let wide = unsafe SecretBytes(capacity: Bytes32.byteCount) { memory in
            withBytes { key in unsafe key.withUnsafeBytes { unsafe memory.copyMemory(from: $0) } }
            return Bytes32.byteCount
        }
        return wide.withBytes { key in unsafe Bytes32(hmacSHA256: text.span.bytes, key: Bytes32(key)) }
    }

    /// HKDF-SHA256 (RFC 5869) of these bytes.
    func derived(salt: String, info: [UInt8], count: Int) -> SecretBytes {
        let salt = Array(salt.utf8)
        return unsafe SecretBytes(capacity: count) { memory in
            let isDone = withBytes { secret in
                unsafe secret.withUnsafeBytes { secret in
                    unsafe dx_hkdf_sha256(
                        secret.baseAddress, secret.count, salt, salt.count, info, info.count,
                        memory.baseAddress?.assumingMemoryBound(to: UInt8.self), count) == 1
                }
            }
            precondition(isDone, "OpenSSL computes HKDF-SHA256")
            return count
        }
    }

    /// A key pair of these bytes: 48 bytes of HKDF, so that every scalar is as likely as another (FIPS 186-5 A.2.1).
    func derivedKey(_ salt: String, info: [UInt8]) throws(SecureError) -> Identity {
        let wide = derived(salt: salt, info: info, count: 48)
        let key = unsafe wide.withBytes { wide in
            unsafe wide.withUnsafeBytes { wide in
                unsafe dx_key_from_wide(wide.baseAddress?.assumingMemoryBound(to: UInt8.self), wide.count)
            }
        }
        guard let key = unsafe key, let identity = unsafe Identity(adopting: key) else { throw .lastOpenSSL() }
        return identity
    }
}
