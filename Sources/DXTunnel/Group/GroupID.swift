import DXSecure
import DXWire

/// Which group a record belongs to: the hash of the group's root key (`docs/group.md` §2).
struct GroupID: Hashable, Sendable {
    /// The 32 bytes.
    let bytes: Bytes32

    /// 64 hexadecimal digits.
    var text: String { bytes.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }

    /// The id of the group with that root key.
    init(rootKey: PublicKey) {
        let bytes = Array("DX group 1\0".utf8) + rootKey.bytes
        self.bytes = unsafe Bytes32(sha256: bytes.span.bytes)
    }
}
