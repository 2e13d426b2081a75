import DXSecure
import DXWire

/// What a group's document means: a function of the records alone, the same at every member that holds the same
/// (`docs/group.md` §5).
///
/// **What counts.** All that the root key signed. What an admin signed, if its key was not revoked; else what every revocation
/// lists. Of what counts about one thing the newest revision wins, ties by hash. An admin is a member by the root key's
/// word: a record of another admin that removes it, or gives its place another key, does not count. So admins that turn on
/// each other cannot do more than the root key lets them.
struct GroupState: Sendable {
    /// Keys that may sign for the group now.
    private(set) var admins: Set<PublicKey> = []
    /// In the order of their names.
    private(set) var members: [Member] = []
    private(set) var tunnels: [Tunnel] = []
    /// By name.
    private(set) var policies: [String: [UInt8]] = [:]
    /// The group's match key; nil when there is none.
    private(set) var matchKey: MatchKey?
    /// Its matchmakers, in the order in which they were given.
    private(set) var matchServers: [MatchmakerAddress] = []
    /// The epochs of the group's secret, by number and then by the secret's name: the last one is in force.
    private(set) var epochs: [Epoch] = []
    /// What does not count or is ambiguous, for operators to mend.
    private(set) var problems: [Problem] = []
    /// The highest revision that counts; a new record has a higher one.
    private(set) var revision: UInt64 = 0
    /// The latest time at which anything that counts was said, by its author's calendar.
    private(set) var newestTime: UInt64 = 0

    /// A member as it is now.
    struct Member: Hashable, Sendable {
        let id: MemberRecord.ID
        /// Its own, or a longer one when another member was given the same.
        var name: String
        var record: MemberRecord
        var isAdmin: Bool
        /// As it says itself; none when it has not said.
        var addresses: [HostAddress] = []
    }

    /// A tunnel as it is now.
    struct Tunnel: Hashable, Sendable {
        let id: TunnelRecord.ID
        var name: String
        var record: TunnelRecord
        /// Of the record that says so.
        var hash: Bytes32
        var revision: UInt64
        var author: PublicKey
        /// What holds when this one is in force for a time only and the time is over; a nil record is no tunnel.
        var trial: Trial?
    }

    /// Something that is in force until it is confirmed or its time is over.
    struct Trial: Hashable, Sendable {
        var seconds: UInt64
        var fallback: TunnelRecord?
    }

    /// An epoch of the group's secret, without the secret.
    struct Epoch: Hashable, Sendable {
        let number: UInt64
        let name: Bytes32
        /// Keys that it keeps out.
        var removes: Set<PublicKey> = []

        /// Epochs are counted one by one, so that this is never reached; more means nothing.
        static let highestNumber: UInt64 = 1 << 48

        /// What its record is about.
        var recordID: [UInt8] {
            TunnelMessageWriter.bytes(capacity: 8 + Bytes32.byteCount) { output in
                output.write(number)
                name.write(to: &output)
            }
        }

        /// What a record is about, if it can be read.
        init?(recordID: [UInt8]) {
            var reader = unsafe ByteReader(recordID.span.bytes)
            guard let number = try? reader.readUInt64(), number <= Self.highestNumber,
                let name = try? Bytes32(reading: &reader), reader.remaining == 0
            else { return nil }
            self.number = number
            self.name = name
        }
    }

    /// What is wrong with a document that verifies.
    enum Problem: Hashable, Sendable {
        /// Two things of one kind were given one name; the second now has the longer one.
        case sameName(String, now: String)
        /// Two members have one key; this one, the older, does not count.
        case sameKey(member: String)
        /// An admin tried to remove this one, or to give its place another key.
        case adminProtected(member: String)
        /// What was said last of a policy cannot be read: it counts as if it was never said.
        case badPolicy(String)
    }

    /// What a document means now.
    init(_ document: GroupDocument) {
        admins = document.everAdmins.subtracting(document.revoked.keys)
        var statements: [GroupRecord.Key: [GroupRecord]] = [:]
        for record in document.records.values where Self.counts(record, in: document) {
            statements[record.key, default: []].append(record)
            // A member counts what it says of its own addresses by itself: it is no admin, and moves nobody else's numbers.
            if record.key.kind != .address { revision = max(revision, record.revision) }
            if record.key.kind.isDated { newestTime = max(newestTime, RecordFields.time(of: record.body) ?? 0) }
        }
        for key in statements.keys { statements[key]?.sort { $0.supersedes($1) } }
        readMembers(statements)
        readTunnels(statements)
        for (key, records) in statements where key.kind == .policy {
            guard let record = records.first, !record.isRemoval else { continue }
            policies[String(decoding: key.id, as: UTF8.self)] = record.body
        }
        readMatchPolicies()
        for (key, records) in statements where key.kind == .epoch {
            guard let record = records.first, !record.isRemoval, var epoch = Epoch(recordID: key.id) else { continue }
            epoch.removes = (try? EpochRecord(record.body))?.removes ?? []
            epochs.append(epoch)
        }
        epochs.sort { ($0.number, $0.name) < ($1.number, $1.name) }
        problems.sort { "\($0)" < "\($1)" }
    }

    /// The policy that says what operators call the group; its body is the name.
    static let namePolicy = "name"

    /// What operators call the group; nil when nobody has said, or what was said is no name.
    var name: String? {
        guard let body = policies[Self.namePolicy], let name = try? RecordFields.text(body), NameRule.isValid(name)
        else { return nil }
        return name
    }

    /// Policies are held whatever they say, as those that know none of their names hold them too.
    private mutating func readMatchPolicies() {
        if let body = policies[MatchKeyRecord.policy] {
            do throws(DecodeError) { matchKey = try MatchKeyRecord(body).key } catch {
                problems.append(.badPolicy(MatchKeyRecord.policy))
            }
        }
        if let body = policies[MatchServersRecord.policy] {
            do throws(DecodeError) { matchServers = try MatchServersRecord(body).servers } catch {
                problems.append(.badPolicy(MatchServersRecord.policy))
            }
        }
    }

    /// The member with that key.
    func member(_ key: PublicKey) -> Member? { members.first { $0.record.key == key } }

    /// The members that a tunnel's end means.
    func members(_ selector: TunnelRecord.Selector) -> [Member] {
        switch selector {
        case .member(let id): members.filter { $0.id == id }
        case .label(let label): members.filter { $0.record.labels.contains(label) }
        }
    }

    // MARK: What counts

    /// Whether a record is to be listened to.
    static func counts(_ record: GroupRecord, in document: GroupDocument) -> Bool {
        if record.author == document.rootKey || record.key.kind == .address { return true }
        if let honoured = document.revoked[record.author] { return honoured.contains(record.hash) }
        return document.everAdmins.contains(record.author)
    }

    // MARK: Members

    private mutating func readMembers(_ statements: [GroupRecord.Key: [GroupRecord]]) {
        let claims = adminPlaces(statements)
        var found: [(record: GroupRecord?, member: Member)] = []
        for (key, records) in statements where key.kind == .member {
            guard let id = MemberRecord.ID(key.id), claims[id] == nil else { continue }
            guard let record = records.first, !record.isRemoval, let body = try? MemberRecord(record.body) else {
                continue
            }
            found.append((record, Member(id: id, name: body.name, record: body, isAdmin: admins.contains(body.key))))
        }
        for (id, claim) in claims {
            let records = statements[GroupRecord.Key(kind: .member, id: id.bytes)] ?? []
            found.append((nil, adminMember(id, claim, records)))
        }
        members = withDifferentKeys(found)
        members.sort { $0.id < $1.id }
        problems += Self.rename(&members, id: \.id, name: \.name)
        for index in members.indices {
            let key = GroupRecord.Key(kind: .address, id: members[index].record.key.bytes)
            guard let record = statements[key]?.first, let body = try? AddressRecord(record.body) else { continue }
            members[index].addresses = body.addresses
        }
        members.sort { $0.name < $1.name }
    }

    /// Which members are admins, by the root key's newest word about each key. Of two keys for one place the newer.
    private func adminPlaces(
        _ statements: [GroupRecord.Key: [GroupRecord]]
    ) -> [MemberRecord.ID: (key: PublicKey, name: String)] {
        var newest: [MemberRecord.ID: (record: GroupRecord, key: PublicKey, name: String)] = [:]
        for (key, records) in statements where key.kind == .admin {
            var reader = unsafe ByteReader(key.id.span.bytes)
            guard let admin = try? PublicKey(reading: &reader), admins.contains(admin), let record = records.first,
                let member = try? AdminRecord(record.body, isRemoval: false).member
            else { continue }
            if let other = newest[member.id], other.record.supersedes(record) { continue }
            newest[member.id] = (record, admin, member.name)
        }
        return newest.mapValues { ($0.key, $0.name) }
    }

    /// An admin as a member: what was said last of it with its own key, else what the root key said.
    private mutating func adminMember(
        _ id: MemberRecord.ID, _ claim: (key: PublicKey, name: String), _ records: [GroupRecord]
    ) -> Member {
        var body = MemberRecord(name: claim.name, key: claim.key)
        for (index, record) in records.enumerated() {
            if !record.isRemoval, let said = try? MemberRecord(record.body), said.key == claim.key {
                body = said
                break
            }
            if index == 0 { problems.append(.adminProtected(member: claim.name)) }
        }
        return Member(id: id, name: body.name, record: body, isAdmin: true)
    }

    /// Of members with one key the admin, else the newest.
    private mutating func withDifferentKeys(_ found: [(record: GroupRecord?, member: Member)]) -> [Member] {
        let newestFirst = found.sorted { left, right in
            guard let left = left.record, let right = right.record else {
                return left.record == nil && (right.record != nil || left.member.id < right.member.id)
            }
            return left.supersedes(right)
        }
        var keys: Set<PublicKey> = []
        var members: [Member] = []
        for (_, member) in newestFirst {
            if keys.insert(member.record.key).inserted {
                members.append(member)
            } else {
                problems.append(.sameKey(member: member.name))
            }
        }
        return members
    }

    // MARK: Tunnels

    private mutating func readTunnels(_ statements: [GroupRecord.Key: [GroupRecord]]) {
        for (key, records) in statements where key.kind == .tunnel {
            guard let id = TunnelRecord.ID(key.id), let record = records.first, !record.isRemoval,
                let body = try? TunnelRecord(record.body)
            else { continue }
            tunnels.append(
                Tunnel(
                    id: id, name: body.name, record: body, hash: record.hash, revision: record.revision,
                    author: record.author, trial: Self.trial(body, before: records.dropFirst())))
        }
        tunnels.sort { $0.id < $1.id }
        problems += Self.rename(&tunnels, id: \.id, name: \.name)
        tunnels.sort { $0.name < $1.name }
    }

    /// A day; operators ask for minutes.
    private static let longestTrial: UInt64 = 86_400

    /// What was there before a tunnel that is in force for a time: the newest that is not, too.
    private static func trial(_ body: TunnelRecord, before records: ArraySlice<GroupRecord>) -> Trial? {
        guard let seconds = body.trialSeconds.map({ min($0, longestTrial) }) else { return nil }
        for record in records {
            if record.isRemoval { break }
            guard let earlier = try? TunnelRecord(record.body), earlier.trialSeconds == nil else { continue }
            return Trial(seconds: seconds, fallback: earlier)
        }
        return Trial(seconds: seconds, fallback: nil)
    }

    /// Gives things that are in the order of their ids different names: the first keeps its own.
    private static func rename<Thing>(
        _ things: inout [Thing], id: KeyPath<Thing, MemberRecord.ID>, name: WritableKeyPath<Thing, String>
    ) -> [Problem] {
        var taken: Set<String> = []
        var problems: [Problem] = []
        for index in things.indices {
            let own = things[index][keyPath: name]
            var unique = own
            var suffix = things[index][keyPath: id].suffix
            while !taken.insert(unique).inserted {
                unique = "\(own.prefix(40))-\(suffix)"
                suffix += "x"
            }
            guard unique != own else { continue }
            things[index][keyPath: name] = unique
            problems.append(.sameName(own, now: unique))
        }
        return problems
    }
}
