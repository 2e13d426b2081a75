import DXSecure
import DXWire

/// What a gateway knows of its group, as it lies on the disk (`docs/state-directory.md` §2): the root key, which member it
/// is, and all records. Of secrets only the match key, which is a record: the epochs' are in files of their own.
struct GroupFile: Equatable, Sendable {
    var rootKey: PublicKey
    /// Which member this gateway is.
    var member: MemberRecord.ID
    /// All that is held, in the order in which they are best read again.
    var records: [GroupRecord]
    /// Who let this gateway in: the first to be called, as long as nothing newer is known.
    var introducer: Introducer?
    /// What a newer version wrote.
    private var unknown = RecordFields()

    /// More is refused: what a document may hold, and what goes with it.
    static let mostBytes = 2 * GroupDocument.mostBytes

    private enum Field {
        static let rootKey: UInt64 = 1
        static let member: UInt64 = 2
        static let record: UInt64 = 3
        static let introducer: UInt64 = 4
        static let all: Set<UInt64> = [rootKey, member, record, introducer]
    }

    /// The member that let a gateway in, and where it was found.
    struct Introducer: Hashable, Sendable {
        var key: PublicKey
        var addresses: [HostAddress]
        /// Where both are to be found as long as nothing is known of the group's matchmakers.
        var matchmakers: [MatchmakerAddress]

        private enum Field {
            static let key: UInt64 = 1
            static let address: UInt64 = 2
            static let matchmaker: UInt64 = 3
        }

        /// A member from its parts.
        init(key: PublicKey, addresses: [HostAddress], matchmakers: [MatchmakerAddress] = []) {
            self.key = key
            self.addresses = addresses
            self.matchmakers = matchmakers
        }

        fileprivate init(_ body: [UInt8]) throws(DecodeError) {
            let fields = try RecordFields(body)
            key = try PublicKey(field: try fields.only(Field.key) ?? [])
            addresses = []
            for value in fields.all(Field.address) {
                guard let address = try? HostAddress(RecordFields.text(value)) else { throw .invalidValue }
                addresses.append(address)
            }
            matchmakers = []
            for value in fields.all(Field.matchmaker) {
                guard let matchmaker = try? MatchmakerAddress(RecordFields.text(value)) else { throw .invalidValue }
                matchmakers.append(matchmaker)
            }
        }

        fileprivate var body: [UInt8] {
            var fields = RecordFields()
            fields.add(Field.key, key.bytes)
            for address in addresses { fields.add(Field.address, address.description) }
            for matchmaker in matchmakers { fields.add(Field.matchmaker, matchmaker.description) }
            return fields.encoded
        }
    }

    /// What `document` holds, for the gateway that is that member.
    init(_ document: GroupDocument, member: MemberRecord.ID, introducer: Introducer? = nil) {
        rootKey = document.rootKey
        self.member = member
        self.introducer = introducer
        records = document.records.values.sorted { ($0.key.kind.rank, $0.hash) < ($1.key.kind.rank, $1.hash) }
    }

    /// Reads a file's content. Signatures are not checked: that is for `document`.
    init(_ bytes: [UInt8]) throws(StateFile.Refusal) {
        let fields = try StateFile.fields(bytes, of: .group)
        do {
            rootKey = try PublicKey(field: try fields.only(Field.rootKey) ?? [])
            guard let member = MemberRecord.ID(try fields.only(Field.member) ?? []) else {
                throw StateFile.Refusal.damaged
            }
            self.member = member
            records = try Self.records(fields.all(Field.record), in: GroupID(rootKey: rootKey))
            if let introducer = try fields.only(Field.introducer) { self.introducer = try Introducer(introducer) }
        } catch {
            throw .damaged
        }
        unknown = fields.without(Field.all)
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
        if let introducer { fields.add(Field.introducer, introducer.body) }
        fields.add(unknown)
        return StateFile.bytes(.group, fields)
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
