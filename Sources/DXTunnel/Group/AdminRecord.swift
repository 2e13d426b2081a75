import DXSecure
import DXWire

/// What the root key says about who may sign for the group (`docs/group.md` §3.1). The record's id is the key.
///
/// An admin is a member by the root key's word, which no other admin can undo. A removal is for ever: the key never signs for
/// the group again, and what it has signed counts only as far as every removal of it lists it. So a stolen key cannot
/// change anything afterwards, whatever revisions it makes up.
struct AdminRecord: Hashable, Sendable {
    /// Which member has the key, and its name if nobody says another; nil in a removal.
    var member: (id: MemberRecord.ID, name: String)? { id.map { ($0, name) } }
    /// In a removal: the hashes of the records that still count.
    var honoured: Set<Bytes32> = []
    private var id: MemberRecord.ID?
    private var name = ""

    private enum Field {
        static let honoured: UInt64 = 1
        static let member: UInt64 = 2
        static let name: UInt64 = 3
    }

    /// A member becomes an admin.
    init(id: MemberRecord.ID, name: String) {
        self.id = id
        self.name = name
    }

    /// A key is revoked; these records stay.
    init(honoured: Set<Bytes32>) { self.honoured = honoured }

    /// Reads a record's body.
    init(_ body: [UInt8], isRemoval: Bool) throws(DecodeError) {
        let fields = try RecordFields(body)
        if isRemoval {
            honoured = try fields.hashes(Field.honoured)
            return
        }
        guard let id = MemberRecord.ID(try fields.only(Field.member) ?? []),
            let name = try fields.text(Field.name), NameRule.isValid(name)
        else { throw .invalidValue }
        (self.id, self.name) = (id, name)
    }

    /// The body of a record that says this.
    var body: [UInt8] {
        var fields = RecordFields()
        if let id {
            fields.add(Field.member, id.bytes)
            fields.add(Field.name, name)
        } else {
            fields.add(Field.honoured, hashes: honoured)
        }
        return fields.encoded
    }
}

/// All that counts up to a revision, as the root key says (`docs/group.md` §3.6). The record's id is empty.
///
/// Of records up to that revision those that it does not list are forgotten, tombstones among them, and never taken in
/// again; those of the root key and addresses excepted.
struct CheckpointRecord: Hashable, Sendable {
    /// The records that stay.
    var kept: Set<Bytes32>

    /// At most so many: 8,192 records are 256 KiB of hashes.
    static let mostRecords = 8_192

    private enum Field {
        static let kept: UInt64 = 1
    }

    /// A checkpoint that keeps these.
    init(kept: Set<Bytes32>) { self.kept = kept }

    /// Reads a record's body.
    init(_ body: [UInt8]) throws(DecodeError) {
        kept = try RecordFields(body).hashes(Field.kept)
    }

    /// The body of a record that says this.
    var body: [UInt8] {
        var fields = RecordFields()
        fields.add(Field.kept, hashes: kept)
        return fields.encoded
    }
}

extension RecordFields {
    /// A field of hashes, 32 bytes each; none when there is no such field.
    func hashes(_ number: UInt64) throws(DecodeError) -> Set<Bytes32> {
        guard let value = try only(number) else { return [] }
        var reader = unsafe ByteReader(value.span.bytes)
        var hashes: Set<Bytes32> = []
        while reader.remaining > 0 { hashes.insert(try Bytes32(reading: &reader)) }
        return hashes
    }

    /// Adds a field of hashes, in their order.
    mutating func add(_ number: UInt64, hashes: Set<Bytes32>) { add(number, hashes.sorted().flatMap(\.bytes)) }
}
