import CDXOpenSSL
import DXWire

/// What two gateways alone can make: the key of their checks (`docs/matchmaking.md` §7). Zeroed when freed; may be shared
/// between threads.
public final class PairSecret: Sendable {
    private let bytes: SecretBytes

    /// The length of a code.
    public static let codeByteCount = 16

    /// The secret of this gateway and that with the key `peer`: `HKDF-SHA256(ECDH, "dx check 1", both ids, lower first)`. Nil when
    /// the key is no point of the curve, or this gateway's own. Costs about 0.1 ms.
    public init?(_ identity: Identity, peer: PublicKey) {
        guard let id = peer.gatewayID, let role = identity.gatewayID.role(towards: id) else { return nil }
        let ids = role == .lower ? identity.gatewayID.bytes + id.bytes : id.bytes + identity.gatewayID.bytes
        let point = peer.bytes
        let salt = Array("dx check 1".utf8)
        let secret = unsafe SecretBytes(capacity: Bytes32.byteCount) { memory in
            let secret = unsafe memory.baseAddress!.assumingMemoryBound(to: UInt8.self)
            return unsafe dx_ecdh(identity.key, point, point.count, secret) == 1 ? Bytes32.byteCount : 0
        }
        guard secret.count == Bytes32.byteCount else {
            ERR_clear_error()
            return nil
        }
        bytes = unsafe SecretBytes(capacity: Bytes32.byteCount) { memory in
            secret.withBytes { secret in
                unsafe secret.withUnsafeBytes { secret in
                    let key = unsafe memory.baseAddress!.assumingMemoryBound(to: UInt8.self)
                    let isMade = unsafe dx_hkdf_sha256(
                        secret.baseAddress, secret.count, salt, salt.count, ids, ids.count, key, memory.count)
                    return isMade == 1 ? Bytes32.byteCount : 0
                }
            }
        }
        guard bytes.count == Bytes32.byteCount else { return nil }
    }

    /// The head of the HMAC-SHA256 over a message: `codeByteCount` bytes.
    public func code(of message: RawSpan) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: Bytes32.byteCount)
        let isMade = bytes.withBytes { key in
            unsafe key.withUnsafeBytes { key in
                unsafe message.withUnsafeBytes { message in
                    unsafe dx_hmac_sha256(
                        key.baseAddress!.assumingMemoryBound(to: UInt8.self), message.baseAddress, message.count,
                        &code) == 1
                }
            }
        }
        precondition(isMade, "OpenSSL computes HMAC-SHA256")
        return Array(code.prefix(Self.codeByteCount))
    }
}
