import DXSecure
import DXWire

/// What every state file has around its fields (`docs/state-directory.md` §2): four letters that say what it is, a version, and
/// a checksum, which is against disks and not against people.
enum StateFile {
    /// What a file holds.
    enum Kind: String {
        /// What a gateway knows of its group.
        case group = "DXGS"
        /// A gateway's invitations.
        case invites = "DXIN"
    }

    /// Why a file is refused.
    enum Refusal: Error, Hashable {
        /// It is no such file.
        case otherKind
        /// A newer version wrote it in a way that this one does not know.
        case newerVersion(UInt8)
        /// Its checksum is not that of its content, or it ends early: the disk lost a part, or somebody changed it.
        case damaged
    }

    private static let version: UInt8 = 1

    /// The content of a file with these fields.
    static func bytes(_ kind: Kind, _ fields: RecordFields) -> [UInt8] {
        let content = Array(kind.rawValue.utf8) + [version] + fields.encoded
        return unsafe content + Bytes32(sha256: content.span.bytes).bytes
    }

    /// The fields in a file's content.
    static func fields(_ bytes: [UInt8], of kind: Kind) throws(Refusal) -> RecordFields {
        let magic = Array(kind.rawValue.utf8)
        guard bytes.starts(with: magic) else { throw .otherKind }
        let start = magic.count + 1
        guard bytes.count >= start + Bytes32.byteCount else { throw .damaged }
        let end = bytes.count - Bytes32.byteCount
        let content = Array(bytes[..<end])
        guard unsafe Bytes32(sha256: content.span.bytes).bytes == Array(bytes[end...]) else { throw .damaged }
        guard bytes[start - 1] == version else { throw .newerVersion(bytes[start - 1]) }
        do { return try RecordFields(Array(content[start...])) } catch { throw .damaged }
    }
}
