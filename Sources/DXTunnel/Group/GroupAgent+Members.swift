import DXSecure
import DXWire
import NIOCore

/// The members, as operators change them.
extension GroupAgent {
    /// What operators call what a member may do.
    enum Role: String {
        case member, forwarder, admin

        init(text: String) throws(GroupError) {
            guard let role = Role(rawValue: text) else {
                throw GroupError(.badRequest, "\"\(text)\" is no role", "give member, forwarder or admin")
            }
            self = role
        }
    }

    /// All members.
    func members() -> [GroupMember] {
        let hops = presence.hops()
        return state.members.map { member in
            let id = ids[member.record.key] ?? member.record.key.gatewayID
            return GroupMember(
                name: member.name, gateway: id?.text ?? "", role: Self.role(of: member), admin: member.isAdmin,
                thisGateway: member.id == self.member,
                connected: id.flatMap { core.peersByID[$0] }?.isConnected ?? false,
                labels: member.record.labels.sorted().map(\.description),
                addresses: member.addresses.map(\.description),
                presence: presence(of: member, hops: hops))
        }
    }

    private static func role(of member: GroupState.Member) -> String {
        let role: Role =
            if member.isAdmin { .admin } else if member.record.roles.contains(.forwarder) { .forwarder } else {
                .member
            }
        return role.rawValue
    }

    /// The member of a name, or of a gateway id that begins so.
    func member(named text: String) throws(GroupError) -> GroupState.Member {
        if let member = state.members.first(where: { $0.name == text }) { return member }
        if text.utf8.count >= 8 {
            let found = state.members.filter { $0.record.key.gatewayID?.text.hasPrefix(text) ?? false }
            if found.count == 1 { return found[0] }
        }
        throw GroupError(.notFound, "there is no member \(text)", "dxgateway member list shows them")
    }

    // MARK: Changing

    /// Gives a member another name, other labels or another role.
    func change(_ text: String, _ change: MemberChange) throws(GroupError) -> EventLoopFuture<UInt64> {
        try requireAdmin()
        let member = try member(named: text)
        var record = member.record
        if let name = change.name { try rename(&record, name, of: member) }
        // A member has one value for each key, as far as this command goes.
        for label in try (change.labels ?? []).map(Self.label) {
            record.labels = record.labels.filter { $0.key != label.key }.union([label])
        }
        for key in change.removeLabels ?? [] {
            guard record.labels.contains(where: { $0.key == key }) else {
                throw GroupError(.notFound, "\(member.name) has no label \(key)", "dxgateway member list shows them")
            }
            record.labels = record.labels.filter { $0.key != key }
        }
        guard record.labels.count <= MemberRecord.mostLabels else {
            throw GroupError(.badRequest, "more than \(MemberRecord.mostLabels) labels", "remove some")
        }
        if let text = change.role { try setRole(Role(text: text), of: member, in: &record) }
        try say(.member, id: member.id.bytes, body: record.body)
        return commit()
    }

    private func rename(
        _ record: inout MemberRecord, _ name: String, of member: GroupState.Member
    ) throws(GroupError) {
        guard NameRule.isValid(name) else {
            throw GroupError(.badRequest, "\"\(name)\" is no name", "use letters, digits, '.', '-' and '_'")
        }
        guard !state.members.contains(where: { $0.name == name && $0.id != member.id }) else {
            throw GroupError(.conflict, "there is a member \(name) already", "take another name")
        }
        record.name = name
    }

    private func setRole(
        _ role: Role, of member: GroupState.Member, in record: inout MemberRecord
    ) throws(GroupError) {
        record.roles = role == .forwarder ? record.roles.union(.forwarder) : record.roles.subtracting(.forwarder)
        switch (role == .admin, member.isAdmin) {
        case (true, false):
            guard sync.document.revoked[record.key] == nil else {
                throw GroupError(
                    .conflict, "\(member.name) was an admin, and its key was revoked for ever",
                    "give it a new one with dxgateway member replace, then make it an admin")
            }
            try grantAdmin(Invite.Redemption(key: record.key, member: member.id, name: record.name))
        case (false, true):
            try refuseOwn(member, "take its own role away")
            try revokeAdmin(member)
        case (true, true), (false, false): break
        }
    }

    // MARK: Removing

    /// Takes a member out and gives the group a new secret, which it does not learn.
    func remove(_ text: String) throws(GroupError) -> EventLoopFuture<UInt64> {
        try requireAdmin()
        let member = try member(named: text)
        try refuseOwn(member, "remove itself")
        if member.isAdmin { try revokeAdmin(member) }
        try say(.member, id: member.id.bytes, isRemoval: true)
        try keepOut([member.record.key])
        return commit()
    }

    /// A change that the others should have heard of before the operator goes away.
    func followed(_ change: EventLoopFuture<UInt64>, cut: String? = nil) -> EventLoopFuture<GroupChange> {
        let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
        return change.flatMap { revision in
            bound.value.waitForFollowers(except: cut, patience: bound.value.core.tuning.removalPatience).map { names in
                GroupChange(revision: revision, notAcknowledged: names)
            }
        }
    }

    private func refuseOwn(_ member: GroupState.Member, _ what: String) throws(GroupError) {
        guard member.id == self.member else { return }
        throw GroupError(.conflict, "an admin cannot \(what)", "do it on another admin")
    }

    /// Takes the right to sign from an admin's key, for ever. All that it has said stays, as far as there is room: of one
    /// that said more than anybody needs, the first of it.
    private func revokeAdmin(_ member: GroupState.Member) throws(GroupError) {
        let root = try requireRootKey("\(member.name) is an admin, and no longer having it one")
        let said = sync.document.records.values.filter { $0.author == member.record.key }
            .sorted { ($0.revision, $0.hash) < ($1.revision, $1.hash) }.prefix(CheckpointRecord.mostRecords)
            .map(\.hash)
        try say(
            .admin, id: member.record.key.bytes, isRemoval: true, body: AdminRecord(honoured: Set(said)).body,
            signedBy: root)
    }

    /// Gives the group a new secret that these keys do not learn, nor those that were kept out last: records come in any
    /// order, and who hears of this epoch first must not tell its secret to somebody whose removal has not come yet.
    func keepOut(_ keys: Set<PublicKey>) throws(GroupError) {
        let number = (state.epochs.last?.number ?? 0) + 1
        guard number <= GroupState.Epoch.highestNumber else {
            throw GroupError(.failed, "the group has no epoch left", "make a new group")
        }
        guard keys.count <= Self.mostKeptOut else {
            throw GroupError(
                .badRequest, "\(keys.count) keys at once are too many", "remove at most \(Self.mostKeptOut) at once")
        }
        let epoch = EpochSecret(number: number, secret: .generate())
        var removes = keys
        for earlier in state.epochs.reversed() {
            let room = max(0, min(keys.count + Self.mostCarried, Self.mostKeptOut) - removes.count)
            removes.formUnion(earlier.removes.subtracting(removes).prefix(room))
        }
        add(epoch)
        try say(
            .epoch, id: epoch.recordID, body: EpochRecord(removes: removes).body)
    }

    /// As many keys, of 35 bytes with what goes with each, as a record's body holds.
    static let mostKeptOut = 230

    /// Keys of earlier epochs that a new one names again: more removals than come at once, and a kilobyte of record.
    private static let mostCarried = 32

    // MARK: New hardware

    /// Makes an invitation one for a member's new hardware.
    func replace(_ text: String, by invite: inout Invite) throws(GroupError) {
        let member = try member(named: text)
        try refuseOwn(member, "replace itself")
        if member.isAdmin { try requireRootKey("\(member.name) is an admin, and replacing it") }
        invite.replaces = member.id
        invite.name = member.name
        invite.labels = member.record.labels
        invite.makesAdmin = member.isAdmin
    }

    /// Cuts a member's hardware off while its name, labels and tunnels wait for another: it has a key that nobody holds.
    func cutHardware(_ text: String) throws(GroupError) -> EventLoopFuture<UInt64> {
        try requireAdmin()
        let member = try member(named: text)
        try refuseOwn(member, "cut itself off")
        if member.isAdmin { try revokeAdmin(member) }
        var record = member.record
        do throws(SecureError) { record.key = try Identity.generate().publicKey } catch {
            throw GroupError(.failed, "no key could be made (\(error))", "check the system's OpenSSL")
        }
        try say(.member, id: member.id.bytes, body: record.body)
        try keepOut([member.record.key])
        return commit()
    }

    /// A member's new hardware is here: it has the name and the tunnels, the old one is out.
    func giveNewKey(_ redemption: Invite.Redemption, makesAdmin: Bool) throws(GroupError) {
        guard let member = state.members.first(where: { $0.id == redemption.member }) else {
            throw GroupError(.notFound, "\(redemption.name) is no member any more", "invite the gateway anew")
        }
        if member.isAdmin { try revokeAdmin(member) }
        if makesAdmin { try grantAdmin(redemption) }
        var record = member.record
        record.key = redemption.key
        try say(.member, id: redemption.member.bytes, body: record.body)
        try keepOut([member.record.key])
    }
}
