import CDXOpenSSL
public import DXWire

/// What two gateways share because each has the other's public key: the agreement of their identities (SEC 1 §3.3.1). From it come
/// the pseudonyms of stragglers and the codes of checks (`docs/matchmaking.md` §6, §7). Zeroed when freed; may be shared between
/// threads.
public final class PairSecret: Sendable {
    private let secret: SecretBytes
    /// Of checks between the two.
    private let checkKey: Bytes32
    /// What this gateway says to the other, and what the other says to it.
    private let outward: RandomNonceSeal
    private let inward: RandomNonceSeal

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
        func seal(from sender: GatewayID, to receiver: GatewayID) -> RandomNonceSeal {
            RandomNonceSeal(
                key: secret.derived(salt: "dx introduce 1", info: sender.bytes + receiver.bytes, count: 16))
        }
        outward = seal(from: identity.gatewayID, to: peerID)
        inward = seal(from: peerID, to: identity.gatewayID)
    }

    /// The group tag under which one of them looks for the other at the matchmaker with this pin, whatever epoch the other knows:
    /// 16 bytes.
    public func returnTag(pin: GatewayID) -> [UInt8] { secret.matchTag("DX return tag 1\0", pin: pin) }

    /// The match key that belongs to that tag: one of them may know another one of the group's than the other. Throws `cryptography`
    /// when OpenSSL fails.
    public func returnKey(pin: GatewayID) throws(SecureError) -> Identity {
        try secret.derivedKey("dx return key 1", info: pin.bytes)
    }

    /// What seals the blobs of both under that tag, as an epoch's secret does under a group's: no epoch is known to both for certain, and
    /// whoever was removed knows the old ones.
    public var returnSecret: VeilSecret {
        VeilSecret(secret.derived(salt: "dx return blob 1", info: [], count: VeilSecret.byteCount))
    }

    /// What a seal adds, in bytes.
    public static let sealOverhead = RandomNonceSeal.overhead

    /// Seals what a third one passes on to the other (§10), who alone can open it. Throws `packetSize` when it is empty, `cryptography`
    /// when OpenSSL fails.
    public func seal(_ content: RawSpan) throws(SecureError) -> [UInt8] { try outward.seal(content) }

    /// What the other sealed; nil for anything else, what this gateway sealed itself, too.
    public func open(_ sealed: RawSpan) -> [UInt8]? { inward.open(sealed) }

    /// The code of a check or of its answer (§7): the head of HMAC-SHA256 over all of the message before it, 16 bytes.
    public func checkCode(over message: RawSpan) -> [UInt8] {
        Array(Bytes32(hmacSHA256: message, key: checkKey).bytes.prefix(16))
    }
}
