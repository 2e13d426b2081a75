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
/// **Limits.** Of each neighbour `checksPerSecond` records are looked at, `checkBurst` at once. One that sends `mostInvalid`
/// records which do not verify is not listened to until it connects anew. `mostQueued` messages wait for each, and
/// `mostWaiting` bytes of records for another that allows them; `mostAsked` are asked for at a time. What is dropped at a limit
/// is found again by a later comparison.
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

    /// Counts for status.
    struct Statistics: Hashable, Sendable {
        /// Taken in, from neighbours and by `say`.
        var added: UInt64 = 0
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
        var outbox: Deque<GroupMessage> = []
    }

    /// A member that joins takes some thousand at once; then changes are rare.
    static let checksPerSecond = 200
    static let checkBurst = 4_000
    static let mostInvalid = 16
    static let mostQueued = 1_024
    static let mostWaiting = 1 << 20
    static let mostAsked = 8_192
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
        links[neighbour] = Link(begins: begins)
        if !begins { tell(neighbour) }
    }

    /// The channel is gone.
    mutating func disconnected(_ neighbour: Neighbour, now: Instant) {
        links[neighbour] = nil
        order.removeAll { $0 == neighbour }
        let unanswered = asked.filter { $0.value.neighbour == neighbour }
        for hash in unanswered.keys { asked[hash] = nil }
        // What it was asked for others may have.
        if !unanswered.isEmpty { compareSoon(now) }
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
        case .epochWanted, .epoch, .presenceSummary, .presenceList, .presence, .reached, .unknown: break
        }
    }

    /// It is `nextDeadline`.
    mutating func tick(now: Instant) {
        for (hash, request) in asked where request.until <= now {
            asked[hash] = nil
            compareSoon(now)
        }
        guard let time = compareAt, time <= now else { return }
        compareAt = nil
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
        let missing = hashes.filter { document.records[$0] == nil && asked[$0] == nil && waiting[$0] == nil }
        guard !missing.isEmpty else { return }
        guard asked.count + missing.count <= Self.mostAsked else { return compareSoon(now) }
        for hash in missing { asked[hash] = (neighbour, now + Self.patience) }
        push(.want(missing), to: neighbour)
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
            asked[record.hash] = nil
            guard document.records[record.hash] == nil else { continue }
            guard links[neighbour]?.checks.take(now: now) == true else {
                statistics.dropped &+= 1
                suspect(neighbour)
                compareSoon(now)
                continue
            }
            switch document.insert(record) {
            case .added: added.append(record)
            case .known: break
            case .outdated, .full: statistics.refused &+= 1
            case .notAllowed:
                statistics.refused &+= 1
                suspect(neighbour)
                hold(record)
            case .invalid:
                statistics.invalid &+= 1
                suspect(neighbour)
                links[neighbour]?.invalid += 1
            }
        }
        guard !added.isEmpty else { return }
        added += takeWaiting()
        announce(added, except: neighbour)
    }

    private mutating func suspect(_ neighbour: Neighbour) {
        guard suspicions[neighbour] != nil || suspicions.count < Self.mostSuspects else { return }
        suspicions[neighbour, default: 0] += 1
    }

    /// Keeps a record that is not allowed yet.
    private mutating func hold(_ record: GroupRecord) {
        guard waiting[record.hash] == nil, waitingByteCount + record.byteCount <= Self.mostWaiting else { return }
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
