import CDXOpenSSL
import DXWire

/// Says in a nonce which of a group's epochs sealed the datagram, to members alone (`docs/wire-format.md` §3): so a member that
/// slept through any number of epochs is understood at the price of one open.
///
/// The last two bytes of the nonce are the low 16 bits of the epoch's number, masked with what HMAC-SHA256 makes of the ten
/// random ones under a key of the group and the receiver. To whoever lacks that key they are as random as the others.
struct VeilHint {
    private let group: Bytes32
    private let own: SecretBytes

    /// The hints of a group, for datagrams to `receiver`.
    init(group: Bytes32, receiver: GatewayID) {
        self.group = group
        own = Self.key(group, receiver)
    }

    /// A new nonce for a datagram to `receiver` under the epoch of that number.
    func nonce(of epoch: UInt16, to receiver: GatewayID) -> VeilNonce {
        let random = VeilNonce.random()
        return random.withTail(epoch ^ Self.mask(random, Self.key(group, receiver)))
    }

    /// Of a nonce that came: the epoch that it speaks of, if it was made so.
    func epoch(_ nonce: VeilNonce) -> UInt16 { nonce.tail ^ Self.mask(nonce, own) }

    private static func key(_ group: Bytes32, _ receiver: GatewayID) -> SecretBytes {
        let bytes = group.bytes + receiver.bytes
        return unsafe SecretBytes(bytes.span.bytes).derived("DX hint 1\0")
    }

    private static func mask(_ nonce: VeilNonce, _ key: SecretBytes) -> UInt16 {
        let head = nonce.head
        var mac = [UInt8](repeating: 0, count: Bytes32.byteCount)
        let isMade = key.withBytes { key in
            unsafe key.withUnsafeBytes { key in
                unsafe dx_hmac_sha256(
                    key.baseAddress?.assumingMemoryBound(to: UInt8.self), head, head.count, &mac) == 1
            }
        }
        // A wrong hint costs a straggler its way back, nothing else.
        return isMade ? UInt16(mac[0]) &<< 8 | UInt16(mac[1]) : 0
    }
}

/// One epoch of a group's secret: its number and the secret.
public struct VeilEpoch: Sendable {
    /// Higher ones are newer.
    public let number: UInt64
    /// From which the veil keys of that time come.
    public let secret: VeilSecret

    /// An epoch from its parts.
    public init(number: UInt64, secret: VeilSecret) {
        self.number = number
        self.secret = secret
    }

    /// What a nonce says of it.
    var hint: UInt16 { UInt16(truncatingIfNeeded: number) }
}
