import NIOCore

/// What a gateway that is in a group does for operators. All of these throw `GatewayError.notRunning`, and `GroupError`: its
/// code says whether there is no group, whether it takes an admin, and what else is wrong.
extension Gateway {
    /// Makes invitations, or has another admin make them; each token lets one gateway join.
    public func invite(_ request: InviteRequest) async throws -> [Invitation] {
        try await onGroup { agent in
            guard let admin = try agent.otherAdmin(request.at) else { return try agent.invite(request) }
            return try agent.ask(.invite(request), admin).flatMapThrowing { try $0.invitations }
        }
    }

    /// The invitations of this gateway, or of the admin of that name, without their tokens.
    public func invitations(at name: String? = nil) async throws -> [Invitation] {
        try await onGroup { agent in
            guard let admin = try agent.otherAdmin(name) else {
                return agent.core.eventLoop.makeSucceededFuture(agent.invitations())
            }
            return try agent.ask(.list, admin).flatMapThrowing { try $0.invitations }
        }
    }

    /// Takes an invitation of this gateway's, or of the admin of that name, back, or all when `id` is nil; how many.
    public func revokeInvitation(_ id: String?, at name: String? = nil) async throws -> Int {
        try await onGroup { agent in
            guard let admin = try agent.otherAdmin(name) else { return try agent.revoke(id) }
            return try agent.ask(.revoke(id), admin).flatMapThrowing { try $0.revoked }
        }
    }

    /// The members of the group.
    public func members() async throws -> [GroupMember] {
        try await onGroup { $0.core.eventLoop.makeSucceededFuture($0.members()) }
    }

    /// Takes a member out of the group, by its name or the beginning of its gateway id.
    public func removeMember(_ name: String) async throws -> GroupChange {
        try await onReadyGroup { $0.followed(try $0.remove(name)) }
    }

    /// Gives a member another name, other labels or another role.
    public func changeMember(_ name: String, _ change: MemberChange) async throws -> GroupChange {
        GroupChange(revision: try await onReadyGroup { try $0.change(name, change) })
    }

    /// Cuts a member's hardware off at once; its name, labels and tunnels wait for new hardware (`InviteRequest.replaces`).
    public func cutMember(_ name: String) async throws -> GroupChange {
        try await onReadyGroup { agent in
            let member = try agent.member(named: name).name
            return agent.followed(try agent.cutHardware(name), cut: member)
        }
    }

    /// The tunnels of the group.
    public func groupTunnels() async throws -> [GroupTunnel] {
        try await onGroup { $0.core.eventLoop.makeSucceededFuture($0.tunnels()) }
    }

    /// Adds a tunnel, or changes the one of that name.
    public func setTunnel(_ request: TunnelRequest) async throws -> GroupChange {
        GroupChange(revision: try await onReadyGroup { try $0.set(request) })
    }

    /// Uses a tunnel, or does not.
    public func setTunnel(_ name: String, isEnabled: Bool) async throws -> GroupChange {
        GroupChange(revision: try await onReadyGroup { try $0.setEnabled(isEnabled, tunnel: name) })
    }

    /// Confirms changes that hold for a time only: of one tunnel, or all.
    public func confirm(_ tunnel: String?) async throws -> GroupChange {
        try await onReadyGroup { try $0.confirm(tunnel) }
    }

    /// Makes all tunnels what they were at a revision.
    public func rollBack(to revision: UInt64) async throws -> GroupChange {
        try await onReadyGroup { try $0.rollBack(to: revision) }
    }

    /// Has all members forget what is not in force. Takes the root key.
    public func makeCheckpoint() async throws -> GroupChange { try await onReadyGroup { try $0.makeCheckpoint() } }

    /// What the group has agreed on about matchmakers.
    public func matchConfiguration() async throws -> MatchConfiguration {
        try await onGroup { $0.core.eventLoop.makeSucceededFuture(try $0.matchConfiguration()) }
    }

    /// Adds and removes the group's matchmakers, or gives it another match key.
    public func changeMatch(_ change: MatchChange) async throws -> MatchConfiguration {
        try await onReadyGroup { try $0.changeMatch(change) }
    }

    /// The same as `matchConfiguration`, with a match key, which is made if there is none.
    public func requireMatchKey() async throws -> MatchConfiguration {
        try await onReadyGroup { try $0.requireMatchKey() }
    }

    /// What the group has agreed on.
    public func groupConfiguration() async throws -> GroupConfiguration {
        try await onGroup { $0.core.eventLoop.makeSucceededFuture($0.configuration()) }
    }

    /// What is held of the past, newest first.
    public func groupHistory(limit: Int) async throws -> [GroupHistoryEntry] {
        try await onGroup { $0.core.eventLoop.makeSucceededFuture($0.history(limit: limit)) }
    }

    /// The signed records of the group in base64url, as `docs/group.md` §2 says.
    public func groupRecords() async throws -> [String] {
        try await onGroup { $0.core.eventLoop.makeSucceededFuture($0.exportedRecords()) }
    }

    /// Takes a tunnel away.
    public func removeTunnel(_ name: String) async throws -> GroupChange {
        GroupChange(revision: try await onReadyGroup { try $0.removeTunnel(name) })
    }
}

extension AdminAnswer {
    /// The invitations, of an answer that has some.
    fileprivate var invitations: [Invitation] {
        get throws(GroupError) {
            guard case .invitations(let invitations) = self else { throw Self.mismatch }
            return invitations
        }
    }

    /// How many were taken back, of an answer that says so.
    fileprivate var revoked: Int {
        get throws(GroupError) {
            guard case .revoked(let count) = self else { throw Self.mismatch }
            return count
        }
    }

    private static var mismatch: GroupError {
        GroupError(.failed, "the other admin answered something else", "check the versions of both")
    }
}
