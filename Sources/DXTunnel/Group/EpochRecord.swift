import DXSecure
import DXWire

/// What a group says about an epoch of its secret (`docs/group.md` §3.7): whom it was made to keep out.
struct EpochRecord: Hashable, Sendable {
    /// Keys that must not learn the secret, whoever still takes them for a member's. Keys and not members: one that got new
    /// hardware stays.
    var removes: Set<PublicKey> = []
    /// What a newer version says.
    private var unknown = RecordFields()

    /// At most so many: more are removed by more than one epoch.
    static let mostRemoved = 256

    private enum Field {
        static let removes: UInt64 = 1
    }

    /// A record of an epoch that keeps these out.
    init(removes: Set<PublicKey> = []) { self.removes = removes }

    /// Reads a record's body.
    init(_ body: [UInt8]) throws(DecodeError) {
        let fields = try RecordFields(body)
        for value in fields.all(Field.removes) { removes.insert(try PublicKey(field: value)) }
        guard removes.count <= Self.mostRemoved else { throw .invalidValue }
        unknown = fields.without([Field.removes])
    }

    /// The body of a record that says this.
    var body: [UInt8] {
        var fields = RecordFields()
        for key in removes.map(\.bytes).sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            fields.add(Field.removes, key)
        }
        fields.add(unknown)
        return fields.encoded
    }
}
