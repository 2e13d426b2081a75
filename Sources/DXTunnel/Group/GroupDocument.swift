import DXSecure
import DXWire

/// All that a group's members have said, as one of them has it (`docs/group.md` §4): a set of records that only grows, but
/// for what is provably of no use any more. Two members that have exchanged what they have hold the same, in whatever
/// order it came; what follows from it is for `GroupState`.
///
/// **What is held.** Records that verify, whose author may sign such a thing or once might: the root key anything, who ever
/// was an admin anything but what is the root key's alone, whom a held record names as a member its own address. Of what one author says of
/// one thing the newest `historyCount`, so that an earlier state can be had back; its address once. Of one author at most
/// `mostThings` things, those with the lowest keys. Nothing by an admin whose key was revoked, but what each revocation
/// lists. Nothing that the newest checkpoint leaves out. Each of these rules gives the same for a union, whatever was left
/// out before, and so for any order.
///
/// **Limits.** A hostile member can fill one record of a kilobyte; a hostile admin `mostThings` times `historyCount` records
/// of at most `GroupRecord.longestBody`, until the root key revokes it. Beyond `mostBytes` in all nothing more is taken
/// but the root key's, and status says so.
struct GroupDocument: Sendable {
    let group: GroupID
    let rootKey: PublicKey
    /// By hash.
    private(set) var records: [Bytes32: GroupRecord] = [:]
    /// Bytes of all bodies and what goes with them, about what they take encoded.
    private(set) var byteCount = 0
    /// By author and thing, newest first.
    private var things: [PublicKey: [GroupRecord.Key: [Bytes32]]] = [:]
    /// Keys that the root key made admins, at any time.
    private(set) var everAdmins: Set<PublicKey> = []
    /// Of each key that was revoked: what every revocation lists.
    private(set) var revoked: [PublicKey: Set<Bytes32>] = [:]
    /// How many of the records that are held name a key as a member's.
    private var named: [PublicKey: Int] = [:]
    private(set) var checkpoint: (record: GroupRecord, kept: Set<Bytes32>)?

    /// Of one author's statements about one thing: the newest and what can be gone back to.
    static let historyCount = 4
    /// 500 members and as many tunnels, four times.
    static let mostThings = 4_096
    /// A small device has 1 GB of memory; a group of 500 members takes half a megabyte.
    static let mostBytes = 32 << 20

    /// What became of a record that was offered.
    enum Admission: Hashable, Sendable {
        /// It is held now.
        case added
        /// It was held already.
        case known
        /// A newer one by the same author, a checkpoint or a revocation makes it useless.
        case outdated
        /// Its author may not say such a thing, as far as is known: another record may have to come first.
        case notAllowed
        /// The signature is not the author's, or the body of a kind that is understood cannot be read.
        case invalid
        /// There is no room.
        case full
    }

    /// An empty document.
    init(rootKey: PublicKey) {
        self.rootKey = rootKey
        group = GroupID(rootKey: rootKey)
    }

    /// Takes a record in, if it may be held. Costs about 0.15 ms for the signature of one that is new and allowed.
    mutating func insert(_ record: GroupRecord) -> Admission {
        if records[record.hash] != nil { return .known }
        guard isAllowed(record) else { return .notAllowed }
        if isUseless(record) { return .outdated }
        guard record.author == rootKey || byteCount + record.byteCount <= Self.mostBytes else { return .full }
        guard isReadable(record), record.isAuthentic(in: group) else { return .invalid }
        hold(record)
        switch record.key.kind {
        case .admin: noteAdmin(record)
        case .checkpoint: noteCheckpoint(record)
        default: break
        }
        return .added
    }

    /// Takes in all that another one holds; what of that is new here.
    @discardableResult
    mutating func merge(_ other: GroupDocument) -> [GroupRecord] {
        let offered = other.records.values.sorted { $0.key.kind.rank < $1.key.kind.rank }
        return offered.filter { insert($0) == .added }
    }

    /// What one author said of one thing, newest first.
    func history(of key: GroupRecord.Key, by author: PublicKey) -> [GroupRecord] {
        (things[author]?[key] ?? []).compactMap { records[$0] }
    }

    // MARK: What may be held

    private func isAllowed(_ record: GroupRecord) -> Bool {
        if record.author == rootKey { return true }
        if record.key.kind.isRootOnly { return false }
        if record.key.kind == .address {
            return record.key.id == record.author.bytes && named[record.author] != nil
        }
        return everAdmins.contains(record.author)
    }

    /// Whether something that is held says that this need not be.
    private func isUseless(_ record: GroupRecord) -> Bool {
        if isForgotten(record) { return true }
        if record.key.kind == .checkpoint, let checkpoint { return !record.supersedes(checkpoint.record) }
        guard let known = things[record.author], !record.key.kind.isRootOnly else { return false }
        if let history = known[record.key] {
            guard history.count >= limit(record.key.kind), let last = history.last.flatMap({ records[$0] }) else {
                return false
            }
            return !record.supersedes(last)
        }
        guard known.count >= Self.mostThings, let highest = known.keys.max() else { return false }
        return record.author != rootKey && highest < record.key
    }

    /// Whether a revocation or the checkpoint leaves it out.
    private func isForgotten(_ record: GroupRecord) -> Bool {
        if record.author == rootKey { return false }
        if record.key.kind == .address { return false }
        if let honoured = revoked[record.author], !honoured.contains(record.hash) { return true }
        guard let checkpoint, record.revision <= checkpoint.record.revision else { return false }
        return !checkpoint.kept.contains(record.hash)
    }

    private func limit(_ kind: GroupRecord.Kind) -> Int { kind == .address ? 1 : Self.historyCount }

    /// Whether the body of a known kind can be read; those of other kinds are a newer version's.
    private func isReadable(_ record: GroupRecord) -> Bool {
        do throws(DecodeError) {
            switch record.key.kind {
            case .admin:
                guard record.key.id.count == PublicKey.byteCount else { return false }
                _ = try AdminRecord(record.body, isRemoval: record.isRemoval)
            case .member:
                guard MemberRecord.ID(record.key.id) != nil else { return false }
                if !record.isRemoval { _ = try MemberRecord(record.body) }
            case .address: _ = try AddressRecord(record.body)
            case .tunnel:
                guard TunnelRecord.ID(record.key.id) != nil else { return false }
                if !record.isRemoval { _ = try TunnelRecord(record.body) }
            case .checkpoint: _ = try CheckpointRecord(record.body)
            default: break
            }
            return true
        } catch { return false }
    }

    // MARK: Holding

    private mutating func hold(_ record: GroupRecord) {
        records[record.hash] = record
        byteCount += record.byteCount
        countName(record, 1)
        var history = things[record.author]?[record.key] ?? []
        let place = history.firstIndex { records[$0].map(record.supersedes) ?? true } ?? history.count
        history.insert(record.hash, at: place)
        things[record.author, default: [:]][record.key] = history
        if !record.key.kind.isRootOnly, history.count > limit(record.key.kind), let oldest = history.last {
            drop(oldest)
        }
        if record.author != rootKey, let known = things[record.author], known.count > Self.mostThings,
            let highest = known.keys.max()
        {
            for hash in known[highest] ?? [] { drop(hash) }
        }
    }

    private mutating func drop(_ hash: Bytes32) {
        guard let record = records.removeValue(forKey: hash) else { return }
        byteCount -= record.byteCount
        things[record.author]?[record.key]?.removeAll { $0 == hash }
        if things[record.author]?[record.key]?.isEmpty == true {
            things[record.author]?.removeValue(forKey: record.key)
        }
        countName(record, -1)
    }

    /// Counts whom a member's record names; a key that no record names any more has no address.
    private mutating func countName(_ record: GroupRecord, _ difference: Int) {
        guard record.key.kind == .member, !record.isRemoval, let member = try? MemberRecord(record.body) else { return }
        let count = named[member.key, default: 0] + difference
        named[member.key] = count > 0 ? count : nil
        guard count <= 0 else { return }
        let address = GroupRecord.Key(kind: .address, id: member.key.bytes)
        for hash in things[member.key]?[address] ?? [] { drop(hash) }
    }

    private mutating func forgetWhatIsForgotten() {
        for record in records.values where isForgotten(record) { drop(record.hash) }
    }

    private mutating func noteAdmin(_ record: GroupRecord) {
        var reader = unsafe ByteReader(record.key.id.span.bytes)
        guard let key = try? PublicKey(reading: &reader) else { return }
        everAdmins.insert(key)
        guard record.isRemoval, let body = try? AdminRecord(record.body, isRemoval: true) else { return }
        revoked[key] = revoked[key].map { $0.intersection(body.honoured) } ?? body.honoured
        forgetWhatIsForgotten()
    }

    private mutating func noteCheckpoint(_ record: GroupRecord) {
        guard let body = try? CheckpointRecord(record.body) else { return }
        if let old = checkpoint?.record { drop(old.hash) }
        checkpoint = (record, body.kept)
        forgetWhatIsForgotten()
    }
}

extension GroupRecord.Key: Comparable {
    /// By kind, then by id.
    static func < (left: GroupRecord.Key, right: GroupRecord.Key) -> Bool {
        left.kind == right.kind
            ? left.id.lexicographicallyPrecedes(right.id) : left.kind.rawValue < right.kind.rawValue
    }
}
