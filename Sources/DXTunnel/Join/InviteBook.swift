import DXSecure
import DXWire

/// One invitation, as its maker keeps it.
struct Invite: Sendable {
    let secret: TokenSecret
    /// What the member is called; nil leaves it to the gateway that joins.
    var name: String?
    var labels: Set<Label> = []
    var roles: MemberRecord.Roles = []
    var makesAdmin = false
    /// The only gateway that may use it; nil for any.
    var onlyFor: GatewayID?
    /// The member that gets new hardware; nil for a new one.
    var replaces: MemberRecord.ID?
    /// How long it was made for, in seconds.
    var lifetime: UInt64
    /// When it was made, by this gateway's calendar, in seconds since 1970.
    var madeAt: Int64
    /// Who used it.
    var redeemed: Redemption?

    /// Who used an invitation, and which member it became. The same key may ask again: the answer may have been lost.
    struct Redemption: Hashable, Sendable {
        var key: PublicKey
        var member: MemberRecord.ID
        /// What it is called.
        var name: String
        /// Whether the group has heard of it; if it is no member then, it was removed.
        var isMade = false
    }

    /// When its time is over, by this gateway's calendar.
    var expiresAt: Int64 { madeAt.addingReportingOverflow(Int64(clamping: lifetime)).partialValue }
}

/// The invitations of one gateway (`docs/group.md` §8). Pure; what changes is to be stored before anybody is told.
///
/// Time is told twice: by the calendar, to say when a token ends, and by what has passed since this gateway started, which
/// nobody can set back. A calendar that was set back meanwhile makes no token live longer than it was made for.
struct InviteBook: Sendable {
    /// By the token's id.
    private(set) var invites: [UInt64: Invite] = [:]
    /// What all tokens' join veil comes from; a new one is drawn when the first invitation of a new set is made.
    private(set) var joinSeed: [UInt8]
    /// When each ends, by the monotonic clock.
    private var deadlines: [UInt64: Instant] = [:]
    /// Until when whoever used one may come for its answer again.
    private var answeredUntil: [UInt64: Instant] = [:]

    /// Who joined and did not hear the answer tries again at once, or when somebody looks why it does not run. The invitation
    /// stays good for it as long as it lives; beyond this it must be able to reach this gateway without a matchmaker.
    static let answerTime = Interval.seconds(900)

    /// A factory prints some hundred at a time; more than this is a mistake.
    static let most = 10_000
    /// A year: whoever wants more prints a new one.
    static let longestLifetime: UInt64 = 366 * 86_400

    /// What a request comes to.
    enum Verdict: Hashable, Sendable {
        /// It may join now.
        case accept
        /// It has joined with this token already: it gets the same answer again.
        case again(Invite.Redemption)
        case refuse(JoinAnswer.Refusal)
    }

    /// A book without invitations.
    init() { joinSeed = TokenSecret().bytes }

    /// The join veil, while somebody may come under it.
    var joinVeil: VeilSecret? { invites.isEmpty ? nil : VeilSecret(joinSeed: joinSeed) }

    /// What the tag comes from under which this gateway is to be found at matchmakers while somebody may join
    /// (`docs/matchmaking.md` §6); the same as long as the join veil is. Nil where all invitations were used some time ago: to be
    /// registered costs half a megabyte a day at each matchmaker.
    func rendezvousSeed(now: Instant) -> TokenSecret? {
        let isOpen = invites.contains { $1.redeemed == nil || answeredUntil[$0].map { now < $0 } ?? false }
        return isOpen ? TokenSecret(joinSeed) : nil
    }

    /// When the next one ends.
    var nextDeadline: Instant? { deadlines.values.min() }

    /// Makes room for a new set with a veil of its own, adds an invitation; false when there are too many.
    mutating func add(_ invite: Invite, now: Instant) -> Bool {
        guard invites.count < Self.most else { return false }
        if invites.isEmpty { joinSeed = TokenSecret().bytes }
        invites[invite.secret.id] = invite
        deadlines[invite.secret.id] = now + .seconds(Int64(clamping: invite.lifetime))
        return true
    }

    /// Takes one back; false when there is none.
    mutating func revoke(_ id: UInt64) -> Bool {
        deadlines[id] = nil
        answeredUntil[id] = nil
        return invites.removeValue(forKey: id) != nil
    }

    /// Forgets those whose time is over; whether there were any.
    mutating func expire(now: Instant) -> Bool {
        let ended = deadlines.filter { $0.value <= now }.map(\.key)
        for id in ended { _ = revoke(id) }
        return !ended.isEmpty
    }

    /// Whether the gateway with that key may join. The proof was checked.
    func verdict(on id: UInt64, for key: PublicKey) -> Verdict {
        guard let invite = invites[id] else { return .refuse(.unknown) }
        if let redeemed = invite.redeemed { return redeemed.key == key ? .again(redeemed) : .refuse(.used) }
        if let onlyFor = invite.onlyFor, key.gatewayID != onlyFor { return .refuse(.otherKey) }
        return .accept
    }

    /// The gateway has joined.
    mutating func redeem(_ id: UInt64, _ redemption: Invite.Redemption, now: Instant) {
        guard invites[id] != nil else { return }
        invites[id]?.redeemed = redemption
        answeredUntil[id] = now + Self.answerTime
    }

    /// The group has heard of the member.
    mutating func noteMade(_ redemption: Invite.Redemption) {
        for (id, invite) in invites where invite.redeemed == redemption { invites[id]?.redeemed?.isMade = true }
    }

    // MARK: Storing

    private enum Field {
        static let joinSeed: UInt64 = 1
        static let invite: UInt64 = 2
    }

    private enum InviteField {
        static let secret: UInt64 = 1
        static let name: UInt64 = 2
        static let label: UInt64 = 3
        static let roles: UInt64 = 4
        static let admin: UInt64 = 5
        static let onlyFor: UInt64 = 6
        static let lifetime: UInt64 = 7
        static let madeAt: UInt64 = 8
        static let key: UInt64 = 9
        static let member: UInt64 = 10
        static let memberName: UInt64 = 11
        static let replaces: UInt64 = 12
        static let made: UInt64 = 13
    }

    /// The content of the file, without what every state file has around it.
    var fields: RecordFields {
        var fields = RecordFields()
        fields.add(Field.joinSeed, joinSeed)
        for (_, invite) in invites.sorted(by: { $0.key < $1.key }) {
            var entry = RecordFields()
            entry.add(InviteField.secret, invite.secret.bytes)
            if let name = invite.name { entry.add(InviteField.name, name) }
            for label in invite.labels.sorted() { entry.add(InviteField.label, label.description) }
            if !invite.roles.isEmpty { entry.add(InviteField.roles, invite.roles.rawValue) }
            if invite.makesAdmin { entry.add(InviteField.admin, 1) }
            if let onlyFor = invite.onlyFor { entry.add(InviteField.onlyFor, onlyFor.bytes) }
            if let replaces = invite.replaces { entry.add(InviteField.replaces, replaces.bytes) }
            entry.add(InviteField.lifetime, invite.lifetime)
            entry.add(InviteField.madeAt, UInt64(clamping: invite.madeAt))
            if let redeemed = invite.redeemed {
                entry.add(InviteField.key, redeemed.key.bytes)
                entry.add(InviteField.member, redeemed.member.bytes)
                entry.add(InviteField.memberName, redeemed.name)
                if redeemed.isMade { entry.add(InviteField.made, 1) }
            }
            fields.add(Field.invite, entry.encoded)
        }
        return fields
    }

    /// Reads what `fields` wrote. `calendar` is the time now in seconds since 1970: what is left of each token's time is
    /// at most what it was made for, whatever the calendar says.
    init(_ fields: RecordFields, calendar: Int64, now: Instant) throws(DecodeError) {
        joinSeed = try fields.only(Field.joinSeed) ?? []
        guard joinSeed.count == TokenSecret.byteCount else { throw .invalidValue }
        for value in fields.all(Field.invite) {
            let invite = try Self.invite(RecordFields(value))
            let left = min(max(0, invite.expiresAt - calendar), Int64(clamping: invite.lifetime))
            guard left > 0 else { continue }
            invites[invite.secret.id] = invite
            deadlines[invite.secret.id] = now + .seconds(left)
            if invite.redeemed != nil { answeredUntil[invite.secret.id] = now + Self.answerTime }
        }
    }

    private static func invite(_ entry: RecordFields) throws(DecodeError) -> Invite {
        guard let secret = TokenSecret(try entry.only(InviteField.secret) ?? []),
            let lifetime = try entry.integer(InviteField.lifetime), lifetime <= longestLifetime,
            let madeAt = try entry.integer(InviteField.madeAt)
        else { throw .invalidValue }
        var invite = Invite(secret: secret, lifetime: lifetime, madeAt: Int64(clamping: madeAt))
        invite.name = try entry.text(InviteField.name)
        for value in entry.all(InviteField.label) { invite.labels.insert(try Label(RecordFields.text(value))) }
        invite.roles = MemberRecord.Roles(rawValue: try entry.integer(InviteField.roles) ?? 0)
        invite.makesAdmin = try entry.integer(InviteField.admin) == 1
        if let id = try entry.only(InviteField.onlyFor) {
            guard let id = GatewayID(id) else { throw .invalidValue }
            invite.onlyFor = id
        }
        if let bytes = try entry.only(InviteField.replaces) {
            guard let id = MemberRecord.ID(bytes) else { throw .invalidValue }
            invite.replaces = id
        }
        if let key = try entry.only(InviteField.key) {
            guard let member = MemberRecord.ID(try entry.only(InviteField.member) ?? []),
                let name = try entry.text(InviteField.memberName)
            else { throw .invalidValue }
            invite.redeemed = Invite.Redemption(
                key: try PublicKey(field: key), member: member, name: name,
                isMade: try entry.integer(InviteField.made) == 1)
        }
        return invite
    }
}
