import CDXOpenSSL
public import DXWire

/// What two gateways share because each has the other's public key: the agreement of their identities (SEC 1 §3.3.1). From it come
/// the pseudonyms of stragglers and the codes of checks (`docs/matchmaking.md` §6, §7). Zeroed when freed; may be shared between
/// threads.
public final class PairSecret: Sendable {
    private let secret: SecretBytes
    /// Of checks between the two.
    private let checkKey: Bytes32

    /// The secret of `identity` and the gateway with this key; nil when that is no point of the curve. Costs about 0.1 ms.
    public init?(_ identity: Identity, _ peer: PublicKey) {
        let point = peer.bytes
        let secret = unsafe SecretBytes(capacity: Bytes32.byteCount) { memory in
            unsafe dx_agree(identity.key, point, memory.baseAddress?.assumingMemoryBound(to: UInt8.self)) == 1
                ? Bytes32.byteCount : 0
        }
        guard secret.count > 0, let peerID = peer.gatewayID else {
            ERR_clear_error()
            return nil
        }
        self.secret = secret
        let (lower, upper) =
            identity.gatewayID < peerID ? (identity.gatewayID, peerID) : (peerID, identity.gatewayID)
        let key = secret.derived(salt: "dx check 1", info: lower.bytes + upper.bytes, count: Bytes32.byteCount)
        checkKey = key.withBytes { Bytes32($0) }
    }

    /// The group tag under which one of them looks for the other at the matchmaker with this pin, whatever epoch the other knows:
    /// 16 bytes.
    public func returnTag(pin: GatewayID) -> [UInt8] { secret.matchTag("DX return tag 1\0", pin: pin) }

    /// The match key that belongs to that tag, where the group's own is not to be used. Throws `cryptography` when OpenSSL fails.
    public func returnKey(pin: GatewayID) throws(SecureError) -> Identity {
        try secret.derivedKey("dx return key 1", info: pin.bytes)
    }

    /// The code of a check or of its answer (§7): the head of HMAC-SHA256 over all of the message before it, 16 bytes.
    public func checkCode(over message: RawSpan) -> [UInt8] {
        Array(Bytes32(hmacSHA256: message, key: checkKey).bytes.prefix(16))
    }
}
