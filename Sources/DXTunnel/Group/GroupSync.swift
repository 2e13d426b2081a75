import DXSecure
import DXWire
import DequeModule

/// Exchanges records with neighbours until all hold the same (`docs/group.md` §7): pure, one for each gateway.
///
/// Two that meet compare fingerprints of all they hold, then of the branches that differ, down to branches of few records,
/// of which each gets what it lacks. What is new goes on by its hash, and who lacks it asks the first one who has it.
/// Nothing is said while nothing changes.
///
/// Inputs: `connected`, `disconnected`, `receive`, `say`, `tick`. Outputs: `pollMessage`, `pollChange`; `nextDeadline`.
///
/// **Limits.** Of each neighbour `checksPerSecond` records are looked at, `checkBurst` at once, however often it connects. One
/// that sends `mostInvalid` records which do not verify is not listened to until it connects anew. `mostQueued` messages wait
/// for each, and `mostWaiting` bytes of records for another that allows them; `mostAsked` are asked for at a time,
/// `mostAskedOfOne` of each. Of each member one address a second is taken, `addressBurst` at once: what it says of itself it
/// could say without end, and all would pass it on. What is dropped at a limit is found again by a later comparison.
struct GroupSync: Sendable {
    /// A member with which there is a channel.
    typealias Neighbour = PublicKey

    private(set) var document: GroupDocument
    private(set) var statistics = Statistics()
    private let own: PublicKey
    private var index: GroupIndex
    private var links: [Neighbour: Link] = [:]
    /// The neighbours as they came, so that runs are repeatable.
    private var order: [Neighbour] = []
    /// Who was asked for a record, and until when the answer is waited for.
    private var asked: [Bytes32: (neighbour: Neighbour, until: Instant)] = [:]
    /// Records that may be taken once another one has come.
    private var waiting: [Bytes32: GroupRecord] = [:]
    /// Bytes of those.
    private(set) var waitingByteCount = 0
    private var changes: Deque<GroupRecord> = []
    /// When to compare with all neighbours again although nothing new came.
    private var compareAt: Instant?
    /// What those may still send that were here and did not stay: connecting anew is no way to send more.
    private var budgets: [Neighbour: TokenBucket] = [:]
    /// Of members that have said lately where they are, how often they still may.
    private var moves: [PublicKey: TokenBucket] = [:]

    /// Counts for status.
    struct Statistics: Hashable, Sendable {
        /// Taken in, from neighbours and by `say`.
        var added: UInt64 = 0
        /// Looked at, which may cost a signature's check: those of neighbours that are added, refused or invalid.
        var looked: UInt64 = 0
        /// Outdated, not allowed or without room.
        var refused: UInt64 = 0
        /// Not signed by their author, or not to be read.
        var invalid: UInt64 = 0
        /// Not looked at: a neighbour sent more than it may.
        var dropped: UInt64 = 0
    }

    /// Of each neighbour the records that did not verify, that nobody may say, or that were more than it may send. One whose
    /// program does what it should sends hardly any.
    private(set) var suspicions: [Neighbour: Int] = [:]
    /// So many neighbours are remembered.
    private static let mostSuspects = 64

    private struct Link: Sendable {
        /// This end begins to compare: the one with the lower key.
        var begins: Bool
        var checks = TokenBucket(perSecond: checksPerSecond, burst: checkBurst)
        var invalid = 0
        /// Records that it was asked for and has not sent.
        var asked = 0
        var outbox: Deque<GroupMessage> = []
    }

    /// A member that joins takes some thousand at once; then changes are rare.
    static let checksPerSecond = 200
    static let checkBurst = 4_000
    static let mostInvalid = 16
    static let mostQueued = 1_024
    static let mostWaiting = 1 << 20
    static let mostAsked = 8_192
    /// So that one which announces what there is not leaves room for the others.
    static let mostAskedOfOne = 2_048
    static let addressBurst = 16
    /// A branch of so many records is listed, a larger one compared by its branches: 512 bytes either way.
    private static let fewRecords = 16
    /// Twice the worst round trip, and a retransmission.
    private static let patience = Interval.seconds(5)
    private static let comparePause = Interval.seconds(2)

    /// Begins with what was stored; `own` is this member's key.
    init(_ document: GroupDocument, own: PublicKey) {
        self.document = document
        self.own = own
        index = GroupIndex(document)
    }

    /// The time of the next `tick`.
    var nextDeadline: Instant? { [compareAt, asked.values.map(\.until).min()].compactMap { $0 }.min() }

    /// Whether records were asked for that have not come yet.
    var isAsking: Bool { !asked.isEmpty }

    // MARK: Inputs

    /// There is a channel to a member.
    mutating func connected(_ neighbour: Neighbour) {
        if links[neighbour] == nil { order.append(neighbour) }
        let begins = own.bytes.lexicographicallyPrecedes(neighbour.bytes)
        forgetRequests(to: neighbour)
        var link = Link(begins: begins)
        link.checks = budgets.removeValue(forKey: neighbour) ?? links[neighbour]?.checks ?? link.checks
        links[neighbour] = link
        if !begins { tell(neighbour) }
    }

    /// The channel is gone.
    mutating func disconnected(_ neighbour: Neighbour, now: Instant) {
        if let link = links[neighbour] {
            // One that has not sent much lately may send as much as any other when it comes back.
            budgets = budgets.filter { !$0.value.isFull(now: now) }
            if !link.checks.isFull(now: now) { budgets[neighbour] = link.checks }
        }
        // What it was asked for others may have.
        if forgetRequests(to: neighbour) { compareSoon(now) }
        links[neighbour] = nil
        order.removeAll { $0 == neighbour }
    }

    /// Whether it was asked for anything.
    @discardableResult
    private mutating func forgetRequests(to neighbour: Neighbour) -> Bool {
        let unanswered = asked.filter { $0.value.neighbour == neighbour }
        for hash in unanswered.keys { forgetRequest(hash) }
        return !unanswered.isEmpty
    }

    private mutating func forgetRequest(_ hash: Bytes32) {
        guard let request = asked.removeValue(forKey: hash) else { return }
        links[request.neighbour]?.asked -= 1
    }

    /// This member says something itself.
    mutating func say(_ record: GroupRecord) -> GroupDocument.Admission {
        let admission = document.insert(record)
        if admission == .added { announce([record], except: nil) }
        return admission
    }

    /// A neighbour's message.
    mutating func receive(_ message: GroupMessage, from neighbour: Neighbour, now: Instant) {
        guard let link = links[neighbour], link.invalid < Self.mostInvalid else { return }
        switch message {
        case .summary(let fingerprint): compare(fingerprint, with: neighbour, begins: link.begins)
        case .branches(let prefix, let fingerprints): compare(prefix, fingerprints, with: neighbour)
        case .list(let prefix, let hashes): complete(prefix, hashes, with: neighbour, now: now)
        case .have(let hashes): want(hashes, of: neighbour, now: now)
        case .want(let hashes): send(hashes.compactMap { document.records[$0] }, to: neighbour)
        case .records(let records): take(records, from: neighbour, now: now)
        // Not the document's: their owners look after them.
        case .epochWanted, .epoch, .presenceSummary, .presenceList, .presence, .reached, .request, .answer, .introduce,
            .introduced, .unknown:
            break
        }
    }

    /// It is `nextDeadline`.
    mutating func tick(now: Instant) {
        for (hash, request) in asked where request.until <= now {
            forgetRequest(hash)
            compareSoon(now)
        }
        guard let time = compareAt, time <= now else { return }
        compareAt = nil
        moves = moves.filter { !$0.value.isFull(now: now) }
        for neighbour in order { tell(neighbour) }
    }

    // MARK: Outputs

    /// The next message for a neighbour; nil when there is none.
    mutating func pollMessage(to neighbour: Neighbour) -> GroupMessage? { links[neighbour]?.outbox.popFirst() }

    /// The next record that is new here, to be stored and used.
    mutating func pollChange() -> GroupRecord? { changes.popFirst() }

    private mutating func push(_ message: GroupMessage, to neighbour: Neighbour) {
        guard let count = links[neighbour]?.outbox.count, count < Self.mostQueued else { return }
        links[neighbour]?.outbox.append(message)
    }

    // MARK: Comparing

    private mutating func compareSoon(_ now: Instant) {
        compareAt = min(compareAt ?? .init(nanoseconds: .max), now + Self.comparePause)
    }

    private mutating func tell(_ neighbour: Neighbour) {
        push(.summary(index.fingerprint), to: neighbour)
    }

    private mutating func compare(_ fingerprint: GroupIndex.Fingerprint, with neighbour: Neighbour, begins: Bool) {
        guard fingerprint != index.fingerprint else { return }
        // One of the two begins, so that they do not do everything twice; the other asks it to.
        if begins { sendBranches(GroupIndex.Prefix(), to: neighbour) } else { tell(neighbour) }
    }

    private mutating func sendBranches(_ prefix: GroupIndex.Prefix, to neighbour: Neighbour) {
        push(.branches(prefix, (0..<16).map { index.fingerprint(of: prefix.child($0)) }), to: neighbour)
    }

    private mutating func compare(
        _ prefix: GroupIndex.Prefix, _ fingerprints: [GroupIndex.Fingerprint], with neighbour: Neighbour
    ) {
        guard prefix.digits.count < GroupIndex.Prefix.longest else { return }
        for (digit, fingerprint) in fingerprints.enumerated() {
            let child = prefix.child(UInt8(digit))
            guard index.fingerprint(of: child) != fingerprint else { continue }
            let held = index.hashes(in: child)
            if held.count <= Self.fewRecords || child.digits.count == GroupIndex.Prefix.longest {
                push(.list(child, Array(held.prefix(GroupMessage.mostHashes))), to: neighbour)
            } else {
                sendBranches(child, to: neighbour)
            }
        }
    }

    /// Both get what they lack of a branch.
    private mutating func complete(
        _ prefix: GroupIndex.Prefix, _ hashes: [Bytes32], with neighbour: Neighbour, now: Instant
    ) {
        want(hashes, of: neighbour, now: now)
        let known = Set(hashes)
        send(index.hashes(in: prefix).filter { !known.contains($0) }.compactMap { document.records[$0] }, to: neighbour)
    }

    // MARK: Records

    private mutating func want(_ hashes: [Bytes32], of neighbour: Neighbour, now: Instant) {
        guard let link = links[neighbour] else { return }
        let room = min(Self.mostAsked - asked.count, Self.mostAskedOfOne - link.asked)
        var wanted: [Bytes32] = []
        for hash in hashes where document.records[hash] == nil && asked[hash] == nil && waiting[hash] == nil {
            guard wanted.count < room else {
                compareSoon(now)
                break
            }
            asked[hash] = (neighbour, now + Self.patience)
            wanted.append(hash)
        }
        guard !wanted.isEmpty else { return }
        links[neighbour]?.asked += wanted.count
        push(.want(wanted), to: neighbour)
    }

    /// Who may sign comes before what they sign.
    private mutating func send(_ records: [GroupRecord], to neighbour: Neighbour) {
        let sorted = records.sorted { ($0.key.kind.rank, $0.hash) < ($1.key.kind.rank, $1.hash) }
        var batch: [GroupRecord] = []
        var byteCount = 0
        for record in sorted {
            batch.append(record)
            byteCount += record.byteCount
            guard byteCount >= GroupMessage.fullRecords else { continue }
            push(.records(batch), to: neighbour)
            (batch, byteCount) = ([], 0)
        }
        if !batch.isEmpty { push(.records(batch), to: neighbour) }
    }

    private mutating func take(_ records: [GroupRecord], from neighbour: Neighbour, now: Instant) {
        var added: [GroupRecord] = []
        for record in records {
            forgetRequest(record.hash)
            guard document.records[record.hash] == nil else { continue }
            guard links[neighbour]?.checks.take(now: now) == true else {
                drop(record, of: neighbour, now: now)
                continue
            }
            take(record, from: neighbour, now: now, added: &added)
        }
        guard !added.isEmpty else { return }
        added += takeWaiting()
        announce(added, except: neighbour)
    }

    private mutating func take(
        _ record: GroupRecord, from neighbour: Neighbour, now: Instant, added: inout [GroupRecord]
    ) {
        var move = moves[record.author] ?? TokenBucket(perSecond: 1, burst: Self.addressBurst)
        if record.key.kind == .address, !move.take(now: now) { return drop(record, of: neighbour, now: now) }
        statistics.looked &+= 1
        switch document.insert(record) {
        case .added:
            added.append(record)
            // Only what its author signed counts against it.
            if record.key.kind == .address { moves[record.author] = move }
        case .known: break
        case .outdated, .full: statistics.refused &+= 1
        case .notAllowed:
            statistics.refused &+= 1
            suspect(neighbour)
            hold(record, now: now)
        case .invalid:
            statistics.invalid &+= 1
            suspect(neighbour)
            links[neighbour]?.invalid += 1
        }
    }

    /// Does not look at a record: there were too many. Who passes on the addresses of another cannot help it.
    private mutating func drop(_ record: GroupRecord, of neighbour: Neighbour, now: Instant) {
        statistics.dropped &+= 1
        if record.key.kind != .address || record.author == neighbour { suspect(neighbour) }
        compareSoon(now)
    }

    private mutating func suspect(_ neighbour: Neighbour) {
        guard suspicions[neighbour] != nil || suspicions.count < Self.mostSuspects else { return }
        suspicions[neighbour, default: 0] += 1
    }

    /// Keeps a record that is not allowed yet.
    private mutating func hold(_ record: GroupRecord, now: Instant) {
        guard waiting[record.hash] == nil else { return }
        guard waitingByteCount + record.byteCount <= Self.mostWaiting else { return compareSoon(now) }
        waiting[record.hash] = record
        waitingByteCount += record.byteCount
    }

    /// What is allowed now that something else has come.
    private mutating func takeWaiting() -> [GroupRecord] {
        var added: [GroupRecord] = []
        while true {
            let before = added.count
            for record in waiting.values.sorted(by: { $0.hash < $1.hash }) {
                switch document.insert(record) {
                case .notAllowed: continue
                case .added: added.append(record)
                case .known, .outdated, .full: break
                case .invalid: statistics.invalid &+= 1
                }
                waiting[record.hash] = nil
                waitingByteCount -= record.byteCount
            }
            if added.count == before { return added }
        }
    }

    private mutating func announce(_ records: [GroupRecord], except source: Neighbour?) {
        statistics.added &+= UInt64(records.count)
        changes += records
        index = GroupIndex(document)
        let hashes = records.map(\.hash).filter { document.records[$0] != nil }
        for neighbour in order where neighbour != source {
            for start in stride(from: 0, to: hashes.count, by: GroupMessage.mostHashes) {
                push(.have(Array(hashes[start..<min(start + GroupMessage.mostHashes, hashes.count)])), to: neighbour)
            }
        }
    }
}
