import DXSecure
import DXWire

/// One signed statement in a group's document (`docs/group.md` §2): what somebody says about one thing, which has a key.
///
/// Of several statements about one thing that count, the one with the highest revision wins, ties by hash. What counts
/// is for `GroupState` to decide; a record itself only says who signed it.
struct GroupRecord: Equatable, Sendable {
    /// What a record is about. Kinds of a newer version are kept and passed on.
    struct Kind: RawRepresentable, Hashable, Sendable {
        var rawValue: UInt64
        /// Who may sign for the group, by key; a removal says that a key may no more. Only the root key signs these.
        static let admin = Kind(rawValue: 1)
        /// A member, by a random number that stays when its hardware is replaced.
        static let member = Kind(rawValue: 2)
        /// Where a member can be reached, by its key; it signs that itself.
        static let address = Kind(rawValue: 3)
        /// A micro-tunnel, by a random number.
        static let tunnel = Kind(rawValue: 4)
        /// A setting of the whole group, by its name.
        static let policy = Kind(rawValue: 5)
        /// All that counts up to a revision, so that the rest can be forgotten. Only the root key signs these.
        static let checkpoint = Kind(rawValue: 6)
        /// An epoch of the group's secret, by its number and the secret's hash.
        static let epoch = Kind(rawValue: 7)

        /// The order in which records are best read: who may sign before what they sign.
        var rank: Int {
            switch self {
            case .admin: 0
            case .checkpoint: 1
            case .member: 2
            default: 3
            }
        }

        /// Whether its body says when it was said.
        var isDated: Bool { self == .member || self == .tunnel || self == .epoch }

        /// Whether nobody but the root key may sign it.
        var isRootOnly: Bool { self == .admin || self == .checkpoint }
    }

    /// What statements are about: their kind and an id within it.
    struct Key: Hashable, Sendable {
        var kind: Kind
        /// At most `GroupRecord.longestID` bytes.
        var id: [UInt8]
    }

    let key: Key
    /// Higher ones replace lower ones.
    let revision: UInt64
    /// Bit 0: the thing is no more. The others are for newer versions.
    let flags: UInt8
    /// Who says so.
    let author: PublicKey
    /// Fields (`RecordFields`), kept as they came.
    let body: [UInt8]
    let signature: Signature
    /// The SHA-256 of what is signed: what a record is known by. A second signature over the same makes no other record.
    let hash: Bytes32

    /// The longest id, in bytes.
    static let longestID = 64
    /// The longest body, in bytes: a tunnel with 256 ends that are named one by one.
    static let longestBody = 8_192
    /// The longest body of what only the root key signs: 8,192 hashes and what goes with them.
    static let longestRootBody = 8_192 * Bytes32.byteCount + 256
    /// Revisions count the changes of a group, so that this is never reached; more is malformed.
    static let highestRevision: UInt64 = 1 << 48
    /// The longest record, in bytes.
    static let longest = 128 + longestID + longestRootBody + Signature.byteCount

    private static let version: UInt8 = 1
    private static let removalFlag: UInt8 = 1

    /// Whether the thing is no more.
    var isRemoval: Bool { flags & Self.removalFlag != 0 }

    /// Makes a record and signs it.
    ///
    /// `id` and `body` must be within their limits and `revision` at most the highest (programming errors: trap).
    /// - Throws: What OpenSSL fails with.
    init(
        _ kind: Kind, id: [UInt8], revision: UInt64, isRemoval: Bool = false, body: [UInt8] = [],
        signedBy identity: Identity, group: GroupID
    ) throws(SecureError) {
        precondition(id.count <= Self.longestID && revision <= Self.highestRevision, "a record is within its limits")
        precondition(body.count <= Self.longestBody(kind), "a record's body is within its limit")
        key = Key(kind: kind, id: id)
        self.revision = revision
        flags = isRemoval ? Self.removalFlag : 0
        author = identity.publicKey
        self.body = body
        let signed = Self.signed(
            Self.content(key: key, revision: revision, flags: flags, author: author, body: body), in: group)
        hash = unsafe Bytes32(sha256: signed.span.bytes)
        signature = try unsafe identity.sign(signed.span.bytes)
    }

    /// Reads one record; the signature is not checked.
    init(reading reader: inout ByteReader, group: GroupID) throws(DecodeError) {
        guard try reader.readUInt8() == Self.version else { throw .invalidValue }
        let kind = Kind(rawValue: try reader.readVarInt())
        flags = try reader.readUInt8()
        key = Key(kind: kind, id: try reader.readArray(atMost: Self.longestID))
        revision = try reader.readUInt64()
        guard revision <= Self.highestRevision else { throw .invalidValue }
        author = try PublicKey(reading: &reader)
        body = try reader.readArray(atMost: Self.longestBody(kind))
        signature = try Signature(reading: &reader)
        let content = Self.content(key: key, revision: revision, flags: flags, author: author, body: body)
        hash = unsafe Bytes32(sha256: Self.signed(content, in: group).span.bytes)
    }

    /// The record as it is sent and stored.
    var encoded: [UInt8] {
        Self.content(key: key, revision: revision, flags: flags, author: author, body: body) + signature.bytes
    }

    /// About how many bytes it takes, encoded or held.
    var byteCount: Int { 128 + key.id.count + body.count }

    /// Whether the author signed it, for this group. Costs about 0.15 ms.
    func isAuthentic(in group: GroupID) -> Bool {
        let content = Self.content(key: key, revision: revision, flags: flags, author: author, body: body)
        return unsafe author.isValid(signature, for: Self.signed(content, in: group).span.bytes)
    }

    /// Whether it wins over another about the same thing.
    func supersedes(_ other: GroupRecord) -> Bool { (revision, hash) > (other.revision, other.hash) }

    static func longestBody(_ kind: Kind) -> Int { kind.isRootOnly ? longestRootBody : longestBody }

    private static func content(
        key: Key, revision: UInt64, flags: UInt8, author: PublicKey, body: [UInt8]
    ) -> [UInt8] {
        TunnelMessageWriter.bytes(capacity: 128 + key.id.count + body.count) { output in
            output.write(version)
            output.writeVarInt(key.kind.rawValue)
            output.write(flags)
            output.writeVarInt(UInt64(key.id.count))
            unsafe output.write(key.id.span.bytes)
            output.write(revision)
            author.write(to: &output)
            output.writeVarInt(UInt64(body.count))
            unsafe output.write(body.span.bytes)
        }
    }

    /// What is signed: a prefix that no other signature of DX has, the group, the content.
    private static func signed(_ content: [UInt8], in group: GroupID) -> [UInt8] {
        Array("DX group record 1\0".utf8) + group.bytes.bytes + content
    }
}

extension ByteReader {
    /// A length and as many bytes, at most `limit`; more is `invalidValue`.
    mutating func readArray(atMost limit: Int) throws(DecodeError) -> [UInt8] {
        let count = try readLength()
        guard count <= limit else { throw .invalidValue }
        let bytes = try readBytes(count)
        return unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) }
    }
}
