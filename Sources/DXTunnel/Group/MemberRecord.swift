import DXSecure
import DXWire

/// What a group says about one member (`docs/group.md` §3.2).
struct MemberRecord: Hashable, Sendable {
    /// A random number that stays with the member when it is renamed or gets new hardware.
    struct ID: Hashable, Sendable, Comparable {
        let bytes: [UInt8]
        static let byteCount = 16

        /// The id with these 16 bytes; nil when there are not as many.
        init?(_ bytes: [UInt8]) {
            guard bytes.count == Self.byteCount else { return nil }
            self.bytes = bytes
        }

        /// A new one.
        static func random() -> ID { ID(random: (SecureRandom.next(), SecureRandom.next())) }

        private init(random: (UInt64, UInt64)) {
            bytes = TunnelMessageWriter.bytes(capacity: Self.byteCount) { output in
                output.write(random.0)
                output.write(random.1)
            }
        }

        static func < (left: ID, right: ID) -> Bool { left.bytes.lexicographicallyPrecedes(right.bytes) }

        /// A name for one of several members that were given the same: enough of the id to tell them apart.
        var suffix: String {
            let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)
            return String(decoding: bytes.prefix(4).map { alphabet[Int($0 & 31)] }, as: UTF8.self)
        }
    }

    /// What a member may do beyond being an end of tunnels.
    struct Roles: OptionSet, Hashable, Sendable {
        var rawValue: UInt64
        /// It passes datagrams on between members that cannot reach each other.
        static let forwarder = Roles(rawValue: 1)
    }

    /// How operators refer to it.
    var name: String
    /// The key that it proves to have.
    var key: PublicKey
    var roles: Roles = []
    /// What tunnels choose members by.
    var labels: Set<Label> = []
    /// What a newer version says.
    private var unknown = RecordFields()

    /// At most so many labels.
    static let mostLabels = 32

    private enum Field {
        static let name: UInt64 = 1
        static let key: UInt64 = 2
        static let roles: UInt64 = 3
        static let label: UInt64 = 4
        static let all: Set<UInt64> = [name, key, roles, label]
    }

    /// A member from its parts.
    init(name: String, key: PublicKey, roles: Roles = [], labels: Set<Label> = []) {
        self.name = name
        self.key = key
        self.roles = roles
        self.labels = labels
    }

    /// Reads a record's body.
    init(_ body: [UInt8]) throws(DecodeError) {
        let fields = try RecordFields(body)
        guard let name = try fields.text(Field.name), NameRule.isValid(name), let key = try fields.only(Field.key)
        else { throw .invalidValue }
        self.name = name
        var reader = unsafe ByteReader(key.span.bytes)
        self.key = try PublicKey(reading: &reader)
        guard reader.remaining == 0 else { throw .invalidValue }
        roles = Roles(rawValue: try fields.integer(Field.roles) ?? 0)
        for value in fields.all(Field.label) { labels.insert(try Label(RecordFields.text(value))) }
        guard labels.count <= Self.mostLabels else { throw .invalidValue }
        unknown = fields.without(Field.all)
    }

    /// The body of a record that says this.
    var body: [UInt8] {
        var fields = RecordFields()
        fields.add(Field.name, name)
        fields.add(Field.key, key.bytes)
        if !roles.isEmpty { fields.add(Field.roles, roles.rawValue) }
        for label in labels.sorted() { fields.add(Field.label, label.description) }
        fields.add(unknown)
        return fields.encoded
    }
}

/// A property of a member, `key=value`.
struct Label: Hashable, Sendable, Comparable, CustomStringConvertible {
    let key: String
    let value: String

    /// A label from its parts; `invalidValue` when one of them is no name.
    init(key: String, value: String) throws(DecodeError) {
        guard NameRule.isValid(key), NameRule.isValid(value) else { throw .invalidValue }
        self.key = key
        self.value = value
    }

    /// Reads `key=value`.
    init(_ text: String) throws(DecodeError) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw .invalidValue }
        try self.init(key: String(parts[0]), value: String(parts[1]))
    }

    var description: String { "\(key)=\(value)" }

    static func < (left: Label, right: Label) -> Bool { left.description < right.description }
}
