import DXSecure
import DXWire
import NIOCore

/// What operators ask of the group through this gateway. Each change is signed, told to neighbours, and on the disk before
/// it is answered.
extension GroupAgent {
    // MARK: Invitations

    /// Makes invitations.
    func invite(_ request: InviteRequest) throws(GroupError) -> EventLoopFuture<[Invitation]> {
        try requireAdmin()
        let count = request.count ?? 1
        guard (1...1_000).contains(count) else {
            throw GroupError(.badRequest, "count \(count) is outside 1 to 1000", "ask several times")
        }
        guard count == 1 || request.name == nil else {
            throw GroupError(.badRequest, "many members cannot have one name", "leave the name to the gateways")
        }
        guard invites.invites.count + count <= InviteBook.most else {
            throw GroupError(
                .conflict, "\(invites.invites.count) invitations are open, of \(InviteBook.most)", "revoke some")
        }
        guard
            request.replaces == nil || count == 1 && request.name == nil && request.labels == nil && request.role == nil
        else {
            throw GroupError(
                .badRequest, "new hardware keeps the name, labels and role of the old", "give the member's name alone")
        }
        let now = core.currentTime()
        var made: [Invitation] = []
        for _ in 0..<count {
            let invite = try invite(from: request)
            _ = invites.add(invite, now: now)
            made.append(self.made(invite))
        }
        // The same for all, and all of them are to fit into one answer.
        for index in made.indices.dropFirst() { made[index].leftOut = nil }
        followVeils()
        settle()
        return kept(made)
    }

    /// Answers with invitations once they are on the disk, and takes them back when they cannot be: nobody has seen them.
    private func kept(_ made: [Invitation]) -> EventLoopFuture<[Invitation]> {
        // The tokens say where this gateway is, and it must be there after a crash too.
        let place = isSaved ? core.eventLoop.makeSucceededVoidFuture() : saveGroup()
        let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
        return place.and(writer.save(invites)).map { _ in made }.flatMapErrorThrowing { error in
            for invitation in made { _ = bound.value.invites.revoke(UInt64(invitation.id, radix: 16) ?? 0) }
            bound.value.followVeils()
            throw Self.notKept("no invitation was made", error)
        }
    }

    private func invite(from request: InviteRequest) throws(GroupError) -> Invite {
        let lifetime = request.ttlSeconds ?? 86_400
        guard lifetime > 0, lifetime <= Int(InviteBook.longestLifetime) else {
            throw GroupError(
                .badRequest, "a lifetime of \(lifetime) s is outside 1 s to a year", "give --ttl as in 24h")
        }
        var invite = Invite(
            secret: TokenSecret(), lifetime: UInt64(lifetime), madeAt: Timestamp.now().wholeSeconds)
        if let name = request.name {
            guard NameRule.isValid(name) else {
                throw GroupError(.badRequest, "\"\(name)\" is no name", "use letters, digits, '.', '-' and '_'")
            }
            guard !state.members.contains(where: { $0.name == name }) else {
                throw GroupError(.conflict, "there is a member \(name) already", "take another name")
            }
            invite.name = name
        }
        for text in request.labels ?? [] { invite.labels.insert(try Self.label(text)) }
        guard invite.labels.count <= MemberRecord.mostLabels else {
            throw GroupError(.badRequest, "more than \(MemberRecord.mostLabels) labels", "give fewer")
        }
        let role = try Role(text: request.role ?? Role.member.rawValue)
        if role == .forwarder { invite.roles = .forwarder }
        if role == .admin { try requireRootKey("making an admin") }
        invite.makesAdmin = role == .admin
        if let name = request.replaces { try replace(name, by: &invite) }
        if let text = request.gateway {
            guard let id = GatewayID(text: text) else {
                throw GroupError(.badRequest, "\"\(text)\" is no gateway id", "give all 52 characters of it")
            }
            invite.onlyFor = id
        }
        return invite
    }

    static func label(_ text: String) throws(GroupError) -> Label {
        do throws(DecodeError) { return try Label(text) } catch {
            throw GroupError(
                .badRequest, "\"\(text)\" is no label", "give key=value, of letters, digits, '.', '-', '_'")
        }
    }

    /// An invitation with its token.
    private func made(_ invite: Invite) -> Invitation {
        let token = InviteToken(
            inviter: identity.publicKey, joinSeed: invites.joinSeed, secret: invite.secret, addresses: ownAddresses,
            matchmakers: view.matchServers)
        let leftOut = view.matchServers.filter { !token.matchmakers.contains($0) }.map(\.address.description)
        var result = invitation(invite)
        result.token = token.text
        result.leftOut = leftOut.isEmpty ? nil : leftOut
        return result
    }

    private func invitation(_ invite: Invite) -> Invitation {
        Invitation(
            id: Self.text(invite.secret.id), name: invite.redeemed?.name ?? invite.name,
            labels: invite.labels.sorted().map(\.description),
            expires: Timestamp(unixMilliseconds: invite.expiresAt &* 1_000),
            usedBy: invite.redeemed?.key.gatewayID?.text)
    }

    private static func text(_ id: UInt64) -> String {
        let digits = String(id, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    /// All that are kept, those that end first before the others; no token.
    func invitations() -> [Invitation] {
        invites.invites.values.map { invitation($0) }.sorted {
            ($0.expires, $0.id) < ($1.expires, $1.id)
        }
    }

    /// Takes one back, by its id, or all.
    func revoke(_ id: String?) throws(GroupError) -> EventLoopFuture<Int> {
        var count = 0
        if let id {
            guard let number = UInt64(id, radix: 16), invites.revoke(number) else {
                throw GroupError(.notFound, "there is no invitation \(id)", "dxgateway invite list shows them")
            }
            count = 1
        } else {
            for invite in invites.invites.keys where invites.revoke(invite) { count += 1 }
        }
        followVeils()
        let revoked = count
        return saveInvites().map { revoked }.flatMapErrorThrowing { error in
            throw Self.notKept("it is revoked, but that is not saved, which is tried again", error)
        }
    }
}
