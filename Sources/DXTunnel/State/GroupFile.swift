import DXSecure
import DXWire

/// What a gateway knows of its group, as it lies on the disk (`docs/state-directory.md` §2): the root key, which member it
/// is, and all records. No secret: those are in files of their own.
struct GroupFile: Equatable, Sendable {
    var rootKey: PublicKey
    /// Which member this gateway is.
    var member: MemberRecord.ID
    /// All that is held, in the order in which they are best read again.
    var records: [GroupRecord]
    /// What a newer version wrote.
    private var unknown = RecordFields()

    /// More is refused: what a document may hold, and what goes with it.
    static let mostBytes = 2 * GroupDocument.mostBytes

    private static let magic = Array("DXGS".utf8)
    private static let version: UInt8 = 1

    private enum Field {
        static let rootKey: UInt64 = 1
        static let member: UInt64 = 2
        static let record: UInt64 = 3
        static let all: Set<UInt64> = [rootKey, member, record]
    }

    /// Why a file is refused.
    enum Refusal: Error, Hashable {
        /// It is no such file.
        case notAGroup
        /// A newer version wrote it in a way that this one does not know.
        case newerVersion(UInt8)
        /// Its checksum is not that of its content, or it ends early: the disk lost a part, or somebody changed it.
        case damaged
    }

    /// What `document` holds, for the gateway that is that member.
    init(_ document: GroupDocument, member: MemberRecord.ID) {
        rootKey = document.rootKey
        self.member = member
        records = document.records.values.sorted { ($0.key.kind.rank, $0.hash) < ($1.key.kind.rank, $1.hash) }
    }

    /// Reads a file's content. Signatures are not checked: that is for `document`.
    init(_ bytes: [UInt8]) throws(Refusal) {
        guard bytes.starts(with: Self.magic) else { throw .notAGroup }
        let start = Self.magic.count + 1
        guard bytes.count >= start + Bytes32.byteCount else { throw .damaged }
        let end = bytes.count - Bytes32.byteCount
        let content = Array(bytes[..<end])
        guard unsafe Bytes32(sha256: content.span.bytes).bytes == Array(bytes[end...]) else { throw .damaged }
        guard bytes[start - 1] == Self.version else { throw .newerVersion(bytes[start - 1]) }
        let fields: RecordFields
        do {
            fields = try RecordFields(Array(content[start...]))
            rootKey = try Self.rootKey(try fields.only(Field.rootKey) ?? [])
            guard let member = MemberRecord.ID(try fields.only(Field.member) ?? []) else { throw Refusal.damaged }
            self.member = member
            records = try Self.records(fields.all(Field.record), in: GroupID(rootKey: rootKey))
        } catch {
            throw .damaged
        }
        unknown = fields.without(Field.all)
    }

    private static func rootKey(_ bytes: [UInt8]) throws(DecodeError) -> PublicKey {
        var reader = unsafe ByteReader(bytes.span.bytes)
        let key = try PublicKey(reading: &reader)
        guard reader.remaining == 0 else { throw .invalidValue }
        return key
    }

    private static func records(_ values: [[UInt8]], in group: GroupID) throws(DecodeError) -> [GroupRecord] {
        var records: [GroupRecord] = []
        for value in values {
            var reader = unsafe ByteReader(value.span.bytes)
            records.append(try GroupRecord(reading: &reader, group: group))
            guard reader.remaining == 0 else { throw .invalidValue }
        }
        return records
    }

    /// The content of the file.
    var encoded: [UInt8] {
        var fields = RecordFields()
        fields.add(Field.rootKey, rootKey.bytes)
        fields.add(Field.member, member.bytes)
        for record in records { fields.add(Field.record, record.encoded) }
        fields.add(unknown)
        let content = Self.magic + [Self.version] + fields.encoded
        return unsafe content + Bytes32(sha256: content.span.bytes).bytes
    }

    /// The document of these records, each checked again, and how many of them were refused.
    var document: (held: GroupDocument, refused: Int) {
        var held = GroupDocument(rootKey: rootKey)
        var refused = 0
        for record in records {
            switch held.insert(record) {
            case .added, .known, .outdated: break
            case .notAllowed, .invalid, .full: refused += 1
            }
        }
        return (held, refused)
    }
}
