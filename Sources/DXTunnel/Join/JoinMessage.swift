import DXSecure
import DXWire

/// What a gateway that joins says, in a session that can carry nothing else (`docs/group.md` §8): which token it has, that it
/// has it, and what it wants to be called.
struct JoinRequest: Hashable, Sendable {
    /// The key that the session proved, whose id alone is known of it.
    var key: PublicKey
    /// The token's id (`TokenSecret.id`).
    var token: UInt64
    /// What the token's secret makes of this session (`DTLSSession.proof`).
    var proof: Bytes32
    /// How operators shall refer to it, if it has a wish.
    var name: String?

    /// The first byte of its plaintext.
    static let kind: UInt8 = 0x02
    private static let version: UInt8 = 1

    private enum Field {
        static let token: UInt64 = 1
        static let proof: UInt64 = 2
        static let name: UInt64 = 3
        static let key: UInt64 = 4
    }

    /// A request from its parts.
    init(key: PublicKey, token: UInt64, proof: Bytes32, name: String?) {
        self.key = key
        self.token = token
        self.proof = proof
        self.name = name
    }

    /// Reads a whole plaintext.
    init(_ plaintext: [UInt8]) throws(DecodeError) {
        guard plaintext.count >= 2, plaintext[0] == Self.kind, plaintext[1] == Self.version else {
            throw .invalidValue
        }
        let fields = try RecordFields(Array(plaintext[2...]))
        guard let token = try fields.only(Field.token), token.count == 8, let proof = try fields.only(Field.proof),
            proof.count == Bytes32.byteCount
        else { throw .invalidValue }
        key = try PublicKey(field: try fields.only(Field.key) ?? [])
        self.token = token.reduce(0) { $0 &<< 8 | UInt64($1) }
        var reader = unsafe ByteReader(proof.span.bytes)
        self.proof = try Bytes32(reading: &reader)
        name = try fields.text(Field.name)
        if let name, !NameRule.isValid(name) { throw .invalidValue }
    }

    /// The plaintext.
    var encoded: [UInt8] {
        var fields = RecordFields()
        fields.add(Field.token, TunnelMessageWriter.bytes(capacity: 8) { $0.write(token) })
        fields.add(Field.proof, proof.bytes)
        fields.add(Field.key, key.bytes)
        if let name { fields.add(Field.name, name) }
        return [Self.kind, Self.version] + fields.encoded
    }
}

/// What the inviter answers (`docs/group.md` §8).
enum JoinAnswer: Sendable {
    /// The gateway is a member now.
    case accepted(JoinGrant)
    /// It is not, and asking again does not help.
    case refused(Refusal)

    /// The first byte of its plaintext.
    static let kind: UInt8 = 0x03
    private static let version: UInt8 = 1

    /// Why a gateway may not join. A newer inviter may send others.
    struct Refusal: RawRepresentable, Hashable, Sendable, Error {
        var rawValue: UInt64
        /// No such token (any more), or its proof is wrong: one answer for all.
        static let unknown = Refusal(rawValue: 1)
        /// Another gateway used it.
        static let used = Refusal(rawValue: 2)
        /// It was meant for another key.
        static let otherKey = Refusal(rawValue: 4)
        /// The inviter may not, or cannot, make members any more.
        static let inviter = Refusal(rawValue: 5)
        /// The key was removed from the group: it takes a new one.
        static let removedKey = Refusal(rawValue: 6)
    }

    private enum Field {
        static let refusal: UInt64 = 1
        static let rootKey: UInt64 = 2
        static let member: UInt64 = 3
        static let epochNumber: UInt64 = 4
        static let epochSecret: UInt64 = 5
        static let record: UInt64 = 6
    }

    /// Reads a whole plaintext.
    init(_ plaintext: [UInt8]) throws(DecodeError) {
        guard plaintext.count >= 2, plaintext[0] == Self.kind, plaintext[1] == Self.version else {
            throw .invalidValue
        }
        let fields = try RecordFields(Array(plaintext[2...]))
        if let code = try fields.integer(Field.refusal) {
            self = .refused(Refusal(rawValue: code))
            return
        }
        let rootKey = try PublicKey(field: try fields.only(Field.rootKey) ?? [])
        guard let member = MemberRecord.ID(try fields.only(Field.member) ?? []),
            let number = try fields.integer(Field.epochNumber),
            let secret = VeilSecret(try fields.only(Field.epochSecret) ?? [])
        else { throw .invalidValue }
        var records: [GroupRecord] = []
        for value in fields.all(Field.record) {
            var reader = unsafe ByteReader(value.span.bytes)
            records.append(try GroupRecord(reading: &reader, group: GroupID(rootKey: rootKey)))
            guard reader.remaining == 0 else { throw .invalidValue }
        }
        self = .accepted(
            JoinGrant(
                rootKey: rootKey, member: member, epoch: EpochSecret(number: number, secret: secret),
                records: records))
    }

    /// The plaintext.
    var encoded: [UInt8] {
        var fields = RecordFields()
        switch self {
        case .refused(let refusal): fields.add(Field.refusal, refusal.rawValue)
        case .accepted(let grant):
            fields.add(Field.rootKey, grant.rootKey.bytes)
            fields.add(Field.member, grant.member.bytes)
            fields.add(Field.epochNumber, grant.epoch.number)
            fields.add(Field.epochSecret, grant.epoch.secret.secretBytes)
            for record in grant.records { fields.add(Field.record, record.encoded) }
        }
        return [Self.kind, Self.version] + fields.encoded
    }
}

/// What makes a gateway a member: enough to connect and to check all else that it is told.
struct JoinGrant: Sendable {
    /// The group's root key, by the word of the inviter, whose key the token names.
    var rootKey: PublicKey
    /// Which member the gateway is.
    var member: MemberRecord.ID
    /// The epoch in force.
    var epoch: EpochSecret
    /// The root key's word for the inviter, so that it counts as a member before anything was exchanged, and what the group says of
    /// matchmakers, as far as it fits into one datagram: with both behind NATs there is no exchange before there is that.
    var records: [GroupRecord]

    /// The longest answer, in bytes: with all that goes around it, it fits into the smallest datagram that every path takes.
    static let longest = 1_100
}
