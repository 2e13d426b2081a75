import DXSecure
import DXStream
import DXWire
import Logging
import NIOCore

/// Gateways that join (`docs/group.md` §8).
extension GroupAgent {
    /// A gateway that came under the join veil is authenticated: it is whom its key says, and may be anybody.
    func onJoining(_ session: DTLSSession, now: Instant) {
        guard invites.joinVeil != nil else { return session.close() }
        if joins.count >= JoinSession.most, let first = joins.min(by: { $0.value.until < $1.value.until }) {
            endJoin(first.key)
        }
        // No BIND is ever sent on it.
        let bind = Bind(
            isSeen: false, bootID: 0, channelHalf: 0, pathID: PathID(rawValue: 0),
            parameters: core.channelConfiguration.parameters)
        let entry = ChannelSession(
            session: session, bind: BindExchange(own: bind), pathID: PathID(rawValue: 0), since: now)
        joins[session.receiveID] = JoinSession(session: entry, until: now + JoinSession.lifetime)
        core.register(entry)
    }

    /// Lets sessions go whose time is over.
    func expireJoins(now: Instant) {
        for (id, join) in joins where join.until <= now { endJoin(id) }
    }

    private func endJoin(_ id: ConnectionID) {
        guard let join = joins.removeValue(forKey: id) else { return }
        core.forget(join.session)
    }

    /// A plaintext came on such a session.
    func receiveJoin(_ plaintext: RawSpan, on session: ChannelSession, now: Instant) {
        let id = session.session.receiveID
        guard var join = joins[id] else { return }
        join.requests += 1
        joins[id] = join
        let bytes = unsafe plaintext.withUnsafeBytes { unsafe [UInt8]($0) }
        guard join.requests <= JoinSession.mostRequests, let request = try? JoinRequest(bytes),
            request.key.gatewayID == session.session.peerID
        else {
            core.drops.malformed &+= 1
            return endJoin(id)
        }
        answer(request, on: session)
    }

    private func answer(_ request: JoinRequest, on session: ChannelSession) {
        guard let invite = invites.invites[request.token], let proof = session.session.proof(of: invite.secret),
            proof.isEqualInConstantTime(to: request.proof)
        else { return refuse(.unknown, session) }
        guard isAdmin else { return refuse(.inviter, session) }
        switch invites.verdict(on: request.token, for: request.key) {
        case .refuse(let refusal): refuse(refusal, session)
        case .again(let redemption):
            guard !wasRemoved(redemption) else { return refuse(.removedKey, session) }
            admit(redemption, invite, session)
        case .accept:
            switch redemption(of: invite, by: request) {
            case .failure(let refusal): refuse(refusal, session)
            case .success(let redemption):
                invites.redeem(request.token, redemption, now: core.currentTime())
                admit(redemption, invite, session)
            }
        }
    }

    /// Which member the gateway becomes.
    private func redemption(
        of invite: Invite, by request: JoinRequest
    ) -> Result<Invite.Redemption, JoinAnswer.Refusal> {
        let known = state.member(request.key)
        guard let replaced = invite.replaces else {
            return .success(
                Invite.Redemption(
                    key: request.key, member: known?.id ?? .random(),
                    name: known?.name ?? freeName(invite.name ?? request.name)))
        }
        // A member cannot be new hardware for another; one that was removed meanwhile is not brought back.
        guard known.map({ $0.id == replaced }) ?? true else { return .failure(.otherKey) }
        guard let member = state.members.first(where: { $0.id == replaced }) else { return .failure(.unknown) }
        return .success(Invite.Redemption(key: request.key, member: replaced, name: member.record.name))
    }

    /// Whether somebody took the member out again: its token is no way back. One that the group never heard of was made when
    /// this gateway crashed, and is made now.
    private func wasRemoved(_ redemption: Invite.Redemption) -> Bool {
        let key = GroupRecord.Key(kind: .member, id: redemption.member.bytes)
        guard state.member(redemption.key) == nil else { return false }
        return redemption.isMade
            || sync.document.records.values.contains { record in
                record.key == key && (try? MemberRecord(record.body))?.key == redemption.key
            }
    }

    private func refuse(_ refusal: JoinAnswer.Refusal, _ session: ChannelSession) {
        core.complain(
            "a gateway may not join",
            ["gateway": session.session.peerID.text, "address": "\(session.remote)", "reason": "\(refusal)"],
            limit: &complaints)
        core.send(JoinAnswer.refused(refusal).encoded, on: session)
    }

    /// Makes the gateway a member, if it is none yet, and tells it once both that the token is used and that it is a member
    /// lie on the disk: whatever happens then, nobody else can use the token, and it need not be used again.
    private func admit(_ redemption: Invite.Redemption, _ invite: Invite, _ session: ChannelSession) {
        let bound = NIOLoopBound((self, session), eventLoop: core.eventLoop)
        saveInvites().flatMapThrowing { _ in
            try bound.value.0.makeMember(redemption, invite)
        }.flatMap { bound.value.0.saveGroup() }.whenComplete { result in
            let (agent, session) = bound.value
            agent.admitted(result, redemption, session)
        }
    }

    private func makeMember(_ redemption: Invite.Redemption, _ invite: Invite) throws(GroupError) {
        guard state.member(redemption.key) == nil else { return }
        if invite.replaces != nil {
            try giveNewKey(redemption, makesAdmin: invite.makesAdmin)
        } else {
            let body = MemberRecord(
                name: redemption.name, key: redemption.key, roles: invite.roles, labels: invite.labels)
            if invite.makesAdmin { try grantAdmin(redemption) }
            try say(.member, id: redemption.member.bytes, body: body.body)
        }
        core.logger.notice(
            "a gateway joined the group",
            metadata: ["name": "\(redemption.name)", "gateway": "\(redemption.key.gatewayID?.text ?? "")"])
        settle()
    }

    private func admitted(
        _ result: Result<Void, any Error>, _ redemption: Invite.Redemption, _ session: ChannelSession
    ) {
        if case .failure(let error) = result {
            // It asks again; until then the token is neither free nor used up for good.
            core.warn("a gateway could not be let in", ["error": "\(error)"], level: .error)
            return
        }
        if !redemption.isMade {
            invites.noteMade(redemption)
            _ = saveInvites()
        }
        guard let epoch = epochsInUse.last, joins[session.session.receiveID] != nil else { return }
        let grant = grant(redemption, epoch)
        core.send(JoinAnswer.accepted(grant).encoded, on: session)
        joins[session.session.receiveID]?.until = core.currentTime() + JoinSession.lifetimeAfterAnswer
    }

    /// What the gateway is told. A policy counts there only beside the root key's word for whoever signed it.
    private func grant(_ redemption: Invite.Redemption, _ epoch: EpochSecret) -> JoinGrant {
        var grant = JoinGrant(
            rootKey: sync.document.rootKey, member: redemption.member, epoch: epoch,
            records: adminRecords(identity.publicKey))
        for name in [MatchKeyRecord.policy, MatchServersRecord.policy] {
            guard let policy = record(inForce: GroupRecord.Key(kind: .policy, id: Array(name.utf8))),
                state.admins.contains(policy.author)
            else { continue }
            var more = grant
            more.records += adminRecords(policy.author).filter { !grant.records.contains($0) } + [policy]
            if JoinAnswer.accepted(more).encoded.count <= JoinGrant.longest { grant = more }
        }
        return grant
    }

    /// The root key's newest word for an admin.
    private func adminRecords(_ admin: PublicKey) -> [GroupRecord] {
        let key = GroupRecord.Key(kind: .admin, id: admin.bytes)
        return Array(sync.document.history(of: key, by: sync.document.rootKey).prefix(1))
    }

    /// What counts about one thing.
    private func record(inForce key: GroupRecord.Key) -> GroupRecord? {
        sync.document.records.values.filter { $0.key == key && GroupState.counts($0, in: sync.document) }
            .max { $1.supersedes($0) }
    }

    /// A name that no member has, nor one that is being made.
    private func freeName(_ wish: String?) -> String {
        let base = wish ?? "gateway"
        let taken = Set(state.members.map(\.name) + invites.invites.values.compactMap(\.redeemed?.name))
        guard taken.contains(base) || wish == nil else { return base }
        for number in 2... where !taken.contains("\(base.prefix(56))-\(number)") {
            return "\(base.prefix(56))-\(number)"
        }
        preconditionFailure("a group has fewer members than there are numbers")
    }
}
