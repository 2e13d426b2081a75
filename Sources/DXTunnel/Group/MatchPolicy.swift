import DXSecure
import DXWire

/// The group's word on its match key (`docs/group.md` §3.5): the P-256 key by whose signature a matchmaker knows which group's
/// gateways may register. Read by members alone, and so as secret as the group's epochs are.
struct MatchKeyRecord: Sendable {
    /// The key; nil when the group has none any more.
    var key: MatchKey?
    /// What a newer version says.
    private var unknown = RecordFields()

    /// The policy's name.
    static let policy = "match.key"

    private enum Field {
        static let scalar: UInt64 = 1
        static let all: Set<UInt64> = [RecordFields.time, scalar]
    }

    /// A record of this key, with what a newer version said in the one before.
    init(key: MatchKey?, keepingUnknownOf known: MatchKeyRecord? = nil) {
        self.key = key
        if let known { unknown = known.unknown }
    }

    /// Reads a record's body; `invalidValue` for a scalar that is none of the curve's.
    init(_ body: [UInt8]) throws(DecodeError) {
        let fields = try RecordFields(body)
        if let scalar = try fields.only(Field.scalar) {
            guard let key = MatchKey(scalar: scalar) else { throw .invalidValue }
            self.key = key
        }
        unknown = fields.without(Field.all)
    }

    /// The body of a record that says this at a time, in seconds since 1970.
    func body(at calendar: Int64) -> [UInt8] {
        var fields = RecordFields()
        if let key { fields.add(Field.scalar, key.scalar) }
        fields.add(unknown)
        return RecordFields.dated(fields.encoded, at: calendar)
    }
}

/// The group's word on its matchmakers (`docs/group.md` §3.5), in the order in which they were given.
struct MatchServersRecord: Hashable, Sendable {
    /// No two alike.
    var servers: [MatchmakerAddress]
    /// What a newer version says.
    private var unknown = RecordFields()

    /// The policy's name.
    static let policy = "match.servers"
    /// A gateway registers with every one.
    static let most = 8

    private enum Field {
        static let server: UInt64 = 1
        static let all: Set<UInt64> = [RecordFields.time, server]
    }

    /// A record of these matchmakers, with what a newer version said in the one before.
    init(servers: [MatchmakerAddress], keepingUnknownOf known: MatchServersRecord? = nil) {
        self.servers = servers
        if let known { unknown = known.unknown }
    }

    /// Reads a record's body; `invalidValue` for more than `most`, for one that stands there twice, and for what is no
    /// matchmaker.
    init(_ body: [UInt8]) throws(DecodeError) {
        let fields = try RecordFields(body)
        servers = []
        for value in fields.all(Field.server) {
            guard let server = try? MatchmakerAddress(RecordFields.text(value)), servers.count < Self.most,
                !servers.contains(server)
            else { throw .invalidValue }
            servers.append(server)
        }
        unknown = fields.without(Field.all)
    }

    /// The body of a record that says this at a time, in seconds since 1970.
    func body(at calendar: Int64) -> [UInt8] {
        var fields = RecordFields()
        for server in servers { fields.add(Field.server, server.description) }
        fields.add(unknown)
        return RecordFields.dated(fields.encoded, at: calendar)
    }
}
