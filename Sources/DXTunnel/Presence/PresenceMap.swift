import DXSecure
import DXWire

/// Who of the group is there (`docs/group.md` §9): pure, one for each gateway.
///
/// Each member says with whom it has channels, whenever that changes, and passes on what others say. Who can be reached over
/// channels that both ends speak of is there. So nothing is said while nothing changes, and a member that vanishes is missed by
/// the others when their channels to it end. What members say here is for operators to look at: nothing depends on it.
///
/// Beside that each says up to which epoch it has followed the group, by which an admin sees who has heard of a removal.
///
/// Inputs: `setMembers`, `setLinks`, `setReached`, `connected`, `disconnected`, `receive`, `tick`. Outputs: `pollMessage`;
/// `nextDeadline`.
///
/// **Limits.** One note for each member and `mostStrangers` for members not known yet. Of each neighbour `notesPerSecond`
/// are looked at, of each member one a second is believed. What is dropped is found when two compare again.
struct PresenceMap: Sendable {
    /// A member with which there is a channel.
    typealias Neighbour = PublicKey

    let own: PresenceTag
    private let boot: UInt64
    /// Of all members that have said something, this one included.
    private(set) var notes: [PresenceTag: PresenceNote]
    /// The highest epoch that each has followed the group to.
    private(set) var reached: [PresenceTag: UInt64] = [:]
    /// When another gateway with this one's key was last heard; nil when there is none.
    private(set) var twinHeardAt: Instant?
    private(set) var dropped: UInt64 = 0
    private var members: Set<PresenceTag> = []
    private var links: [Neighbour: Link] = [:]
    /// The neighbours as they came, so that runs are repeatable.
    private var order: [Neighbour] = []
    private var origins: [PresenceTag: TokenBucket] = [:]
    /// What this member is to say next.
    private var wish: PresenceNote
    private var sayAt: Instant?
    private var saidAt: Instant?
    /// Notes that others said in this one's name: which sequence was said against each of their boots.
    private var answered: [UInt64: UInt64] = [:]

    private struct Link: Sendable {
        var owesSummary = true
        var owesList = false
        var notes: Set<PresenceTag> = []
        var reached: Set<PresenceTag> = []
        /// When to send those.
        var flushAt: Instant = .distantFuture
        /// They may be sent.
        var isReady = false
        var checks = TokenBucket(perSecond: notesPerSecond, burst: noteBurst)
    }

    /// What one holds, in a comparison.
    struct Held: Hashable, Sendable {
        var member: PresenceTag
        /// Of its note; 0 for none.
        var sequence: UInt64
        var reached: UInt64
    }

    static let notesPerSecond = 100
    static let noteBurst = 4_096
    static let mostStrangers = 64
    /// A channel that comes and goes is told of six times a minute.
    static let sayPause = Interval.seconds(10)
    /// What changes together is told together.
    private static let firstPause = Interval.seconds(1)
    /// With another gateway of the same key each would answer the other for ever.
    private static let twinPause = Interval.seconds(60)
    /// What comes within this time goes on together.
    private static let flushPause = Interval.milliseconds(50)
    private static let mostAnswered = 16
    /// A gateway that says something each second needs longer than there are gateways; only a liar comes here, and a varint
    /// has room for one more.
    private static let highestSequence: UInt64 = 1 << 61
    /// A restarted gateway meets notes of its past within this time; a twin goes on.
    static let twinMemory = Interval.seconds(600)

    /// A gateway that has just started, with a random number of this start.
    init(own: PresenceTag, boot: UInt64, version: String) {
        self.own = own
        self.boot = boot
        wish = PresenceNote(origin: own, boot: boot, sequence: 0, version: version)
        notes = [:]
    }

    /// The time of the next `tick`.
    var nextDeadline: Instant? {
        ([sayAt] + links.values.map { $0.flushAt }).compactMap { $0 }.filter { $0 != .distantFuture }.min()
    }

    // MARK: Inputs

    /// These are the members; what was said by others is forgotten.
    mutating func setMembers(_ members: Set<PresenceTag>) {
        guard members != self.members else { return }
        let gone = self.members.subtracting(members)
        self.members = members
        for member in gone {
            notes[member] = nil
            reached[member] = nil
            origins[member] = nil
        }
    }

    /// This gateway has these channels now. `calendar` is for those that are missing: seconds since 1970.
    mutating func setLinks(_ now: Instant, _ links: [PresenceNote.Link], calendar: UInt64) {
        let links = Array(links.sorted { $0.member < $1.member }.prefix(PresenceNote.mostLinks))
        guard links != wish.links || notes[own] == nil else { return }
        let present = Set(links.map(\.member))
        for link in wish.links where !present.contains(link.member) {
            wish.lost.append(PresenceNote.Lost(member: link.member, lastHeard: calendar))
        }
        wish.lost = wish.lost.filter { !present.contains($0.member) }.suffix(PresenceNote.mostLost)
        wish.links = links
        saySoon(now)
    }

    /// This gateway has followed the group up to an epoch.
    mutating func setReached(_ epoch: UInt64, now: Instant) { reach(own, epoch, except: nil, now: now) }

    /// There is a channel to a member.
    mutating func connected(_ neighbour: Neighbour) {
        if links[neighbour] == nil { order.append(neighbour) }
        links[neighbour] = Link()
    }

    /// The channel is gone.
    mutating func disconnected(_ neighbour: Neighbour) {
        links[neighbour] = nil
        order.removeAll { $0 == neighbour }
    }

    /// A neighbour's message, of the kinds that are for this.
    mutating func receive(_ message: GroupMessage, from neighbour: Neighbour, now: Instant) {
        guard links[neighbour] != nil else { return }
        switch message {
        case .presenceSummary(let print):
            if print != fingerprint { links[neighbour]?.owesList = true }
        case .presenceList(let held): complete(held, neighbour, now: now)
        case .presence(let notes): for note in notes { take(note, from: neighbour, now: now) }
        case .reached(let list):
            for entry in list where links[neighbour]?.checks.take(now: now) == true {
                reach(entry.member, entry.epoch, except: neighbour, now: now)
            }
        default: break
        }
    }

    /// It is `nextDeadline`.
    mutating func tick(now: Instant) {
        if let twin = twinHeardAt, twin + Self.twinMemory <= now { twinHeardAt = nil }
        for (neighbour, link) in links where link.flushAt <= now {
            links[neighbour]?.flushAt = .distantFuture
            links[neighbour]?.isReady = true
        }
        guard let time = sayAt, time <= now else { return }
        sayAt = nil
        saidAt = now
        wish.sequence = min(wish.sequence + 1, Self.highestSequence)
        notes[own] = wish
        spread(own, except: nil, now: now)
    }

    // MARK: Outputs

    /// The next message for a neighbour; nil when there is none yet.
    mutating func pollMessage(to neighbour: Neighbour) -> GroupMessage? {
        guard let link = links[neighbour] else { return nil }
        if link.owesSummary {
            links[neighbour]?.owesSummary = false
            return .presenceSummary(fingerprint)
        }
        if link.owesList {
            links[neighbour]?.owesList = false
            return .presenceList(held)
        }
        guard link.isReady else { return nil }
        if !link.reached.isEmpty {
            let told = link.reached.sorted().prefix(GroupMessage.mostReached)
            links[neighbour]?.reached.subtract(told)
            return .reached(told.map { GroupMessage.Reached(member: $0, epoch: reached[$0] ?? 0) })
        }
        var batch: [PresenceNote] = []
        var byteCount = 0
        for tag in link.notes.sorted() where byteCount < GroupMessage.fullRecords {
            links[neighbour]?.notes.remove(tag)
            guard let note = notes[tag] else { continue }
            batch.append(note)
            byteCount += note.byteCount
        }
        if links[neighbour]?.notes.isEmpty ?? true { links[neighbour]?.isReady = false }
        return batch.isEmpty ? nil : .presence(batch)
    }

    // MARK: What it says

    /// Members that are there, and how many channels away; this one is none away.
    func hops() -> [PresenceTag: Int] {
        var known: [PresenceTag: Set<PresenceTag>] = notes.mapValues { Set($0.links.map(\.member)) }
        known[own] = Set(wish.links.map(\.member))
        var hops = [own: 0]
        var edge: [PresenceTag] = [own]
        while !edge.isEmpty {
            var next: [PresenceTag] = []
            for member in edge {
                for other in (known[member] ?? []).sorted() where hops[other] == nil {
                    // Both ends must speak of a channel, but for this gateway's own, which it sees.
                    guard member == own || known[other]?.contains(member) ?? false else { continue }
                    hops[other] = (hops[member] ?? 0) + 1
                    next.append(other)
                }
            }
            edge = next
        }
        return hops
    }

    /// When any member last heard of one that is gone, in seconds since 1970.
    func lastHeard(_ member: PresenceTag) -> UInt64? {
        ([wish] + notes.values).flatMap(\.lost).filter { $0.member == member }.map(\.lastHeard).max()
    }

    /// Members that say that this one's key is used by two gateways at once.
    func seenTwice(_ member: PresenceTag) -> [PresenceTag] {
        ([wish] + notes.values.filter { $0.origin != own }).filter {
            $0.links.contains { $0.member == member && $0.isTwice }
        }.map(\.origin).sorted()
    }

    // MARK: Own

    private mutating func saySoon(_ now: Instant) {
        guard sayAt == nil else { return }
        let pause = twinHeardAt == nil ? Self.sayPause : Self.twinPause
        sayAt = max(now + Self.firstPause, saidAt.map { $0 + pause } ?? now)
    }

    /// Somebody said this in this gateway's name: its own past, or another gateway with its key.
    private mutating func takeOwn(_ note: PresenceNote, now: Instant) {
        guard note.boot != boot || note.sequence > wish.sequence else { return }
        if let said = answered[note.boot], note.sequence > said { twinHeardAt = now }
        wish.sequence = min(max(wish.sequence, note.sequence), Self.highestSequence)
        if answered.count < Self.mostAnswered { answered[note.boot] = wish.sequence + 1 }
        saySoon(now)
    }

    // MARK: Others

    private mutating func take(_ note: PresenceNote, from neighbour: Neighbour, now: Instant) {
        if note.origin == own { return takeOwn(note, now: now) }
        if let known = notes[note.origin], !note.supersedes(known) { return }
        guard isExpected(note.origin), links[neighbour]?.checks.take(now: now) == true,
            origins[note.origin, default: TokenBucket(perSecond: 1, burst: 4)].take(now: now)
        else {
            dropped &+= 1
            return
        }
        notes[note.origin] = note
        spread(note.origin, except: neighbour, now: now)
    }

    private func isExpected(_ member: PresenceTag) -> Bool {
        members.contains(member) || notes[member] != nil
            || notes.keys.lazy.filter { !members.contains($0) }.count < Self.mostStrangers
    }

    private mutating func spread(_ member: PresenceTag, except source: Neighbour?, now: Instant) {
        for neighbour in order where neighbour != source {
            links[neighbour]?.notes.insert(member)
            flushSoon(neighbour, now: now)
        }
    }

    private mutating func reach(_ member: PresenceTag, _ epoch: UInt64, except source: Neighbour?, now: Instant) {
        guard epoch > reached[member] ?? 0, members.contains(member) || member == own else { return }
        reached[member] = epoch
        for neighbour in order where neighbour != source {
            links[neighbour]?.reached.insert(member)
            flushSoon(neighbour, now: now)
        }
    }

    private mutating func flushSoon(_ neighbour: Neighbour, now: Instant) {
        guard let at = links[neighbour]?.flushAt else { return }
        links[neighbour]?.flushAt = min(at, now + Self.flushPause)
    }

    // MARK: Comparing

    private var held: [Held] {
        Set(notes.keys).union(reached.keys).sorted().map {
            Held(member: $0, sequence: notes[$0]?.sequence ?? 0, reached: reached[$0] ?? 0)
        }
    }

    /// Of all that is held.
    private var fingerprint: GroupIndex.Fingerprint {
        let all = held
        guard !all.isEmpty else { return .empty }
        let bytes = TunnelMessageWriter.bytes(capacity: all.count * 24) { output in
            for one in all {
                output.write(one.member.value)
                output.write(one.sequence)
                output.write(one.reached)
            }
        }
        return GroupIndex.Fingerprint(
            bytes: Array(unsafe Bytes32(sha256: bytes.span.bytes).bytes.prefix(GroupIndex.Fingerprint.byteCount)))
    }

    /// The neighbour gets what it lacks.
    private mutating func complete(_ list: [Held], _ neighbour: Neighbour, now: Instant) {
        let theirs = Dictionary(list.map { ($0.member, $0) }, uniquingKeysWith: { first, _ in first })
        for one in held {
            let other = theirs[one.member]
            if one.sequence > other?.sequence ?? 0 { links[neighbour]?.notes.insert(one.member) }
            if one.reached > other?.reached ?? 0 { links[neighbour]?.reached.insert(one.member) }
        }
        links[neighbour]?.isReady = true
    }
}
