import DXWire

@testable import DXMatch

/// What `docs/matchmaking.md` §4 says of registrations, in the plainest way: dictionaries and searches, no limits, no slots. The
/// machine is compared with it.
struct MatchModel {
    struct Entry {
        var key: RegistrationKey
        var handle: Handle
        var answerKey: Block32
        var address: Endpoint
        var revision: UInt64
        var sequence: UInt64
        var count: UInt32 = 0
        var lifetime: UInt16
        var expiresAt: Instant
        var blob: [UInt8]
        var notices: UInt32 = 0
    }

    struct Pair: Hashable {
        var asker: Handle
        var other: Handle
    }

    /// A notice and when it may still be sent.
    struct Notice {
        var handle: Handle
        var number: UInt32
        var due: [Instant]
        var asker: MemberTag
        var nonce: UInt64
    }

    var entries: [RegistrationKey: Entry] = [:]
    var pairs: [Pair: (began: Instant, nonces: [UInt64])] = [:]
    var notices: [Notice] = []

    mutating func forgetEnded(now: Instant) { entries = entries.filter { now < $0.value.expiresAt } }

    /// The status of a signed and proved REGISTER; nil for silence. The handle is what the machine gave, when it is a new one.
    mutating func register(_ member: TestMember, sequence: UInt64, now: Instant) -> MatchStatus? {
        let key = RegistrationKey(matchKey: member.matchKey, groupTag: member.groupTag, memberTag: member.tag)
        if let held = entries[key] {
            if held.answerKey == member.answerKey && sequence < held.sequence { return nil }
            if member.revision < held.revision { return .stale }
        }
        var entry = Entry(
            key: key, handle: Handle(rawValue: 0), answerKey: member.answerKey, address: member.address,
            revision: member.revision, sequence: sequence, lifetime: min(max(member.lifetime, 60), 7_200),
            expiresAt: now, blob: member.blob)
        entry.expiresAt = now + .seconds(Int64(entry.lifetime))
        if let held = entries[key] {
            entry.notices = held.notices
            if held.answerKey == member.answerKey {
                entry.handle = held.handle
                entry.count = held.count
            }
        }
        entries[key] = entry
        return .done
    }

    /// The asker's entry, when handle, ticket and match key are its own.
    func asker(_ member: TestMember, _ handle: Handle) -> Entry? {
        entries.values.first {
            $0.handle == handle && $0.answerKey == member.answerKey
        }
    }

    /// The others of a group, in order.
    func others(of entry: Entry) -> [Entry] {
        entries.values.filter {
            $0.key.matchKey == entry.key.matchKey && $0.key.groupTag == entry.key.groupTag
                && $0.key.memberTag != entry.key.memberTag
        }.sorted { $0.key.memberTag < $1.key.memberTag }
    }

    /// The status of an INTRODUCE.
    mutating func introduce(_ asker: Entry, to tag: MemberTag, nonce: UInt64, now: Instant) -> MatchStatus {
        guard let other = others(of: asker).first(where: { $0.key.memberTag == tag }) else { return .unknownMember }
        let pair = Pair(asker: asker.handle, other: other.handle)
        var known = pairs[pair] ?? (now, [])
        if now - known.began >= .seconds(60) { known = (now, []) }
        if known.nonces.contains(nonce) { return .done }
        guard known.nonces.count < 4 else { return .tooOften }
        known.nonces.append(nonce)
        pairs[pair] = known
        entries[other.key]!.notices += 1
        notices.append(
            Notice(
                handle: other.handle, number: entries[other.key]!.notices,
                due: [now, now + .milliseconds(250), now + .milliseconds(750)], asker: asker.key.memberTag, nonce: nonce
            ))
        return .done
    }

    /// The notices that go out at `now`, as handle, number and nonce.
    mutating func send(now: Instant) -> [[UInt64]] {
        var sent: [[UInt64]] = []
        for index in notices.indices {
            let isThere = entries.values.contains { $0.handle == notices[index].handle }
            while let due = notices[index].due.first, due <= now {
                notices[index].due.removeFirst()
                guard isThere else {
                    notices[index].due = []
                    break
                }
                sent.append([notices[index].handle.rawValue, UInt64(notices[index].number), notices[index].nonce])
            }
        }
        notices.removeAll { $0.due.isEmpty }
        return sent
    }

    /// The REFRESH of an entry's own address.
    mutating func refresh(_ entry: Entry, count: UInt32, notice: UInt32, now: Instant) {
        entries[entry.key]!.count = count
        entries[entry.key]!.expiresAt = now + .seconds(Int64(entry.lifetime))
        notices.removeAll { $0.handle == entry.handle && $0.number == notice }
    }
}
