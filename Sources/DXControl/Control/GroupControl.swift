public import DXTunnel

/// What the control API asks of a gateway about its group. `Gateway` fits it.
public protocol GroupControl: Sendable {
    /// Makes invitations.
    func invite(_ request: InviteRequest) async throws -> [Invitation]
    /// The invitations of this gateway, without their tokens.
    func invitations() async throws -> [Invitation]
    /// Takes an invitation back, or all; how many.
    func revokeInvitation(_ id: String?) async throws -> Int
    /// The members.
    func members() async throws -> [GroupMember]
    /// Takes a member out of the group.
    func removeMember(_ name: String) async throws -> GroupChange
    /// Changes a member's name, labels or role.
    func changeMember(_ name: String, _ change: MemberChange) async throws -> GroupChange
    /// Cuts a member's hardware off; its place waits for another.
    func cutMember(_ name: String) async throws -> GroupChange
    /// The tunnels of the group.
    func groupTunnels() async throws -> [GroupTunnel]
    /// Adds a tunnel, or changes the one of that name.
    func setTunnel(_ request: TunnelRequest) async throws -> GroupChange
    /// Uses a tunnel, or does not.
    func setTunnel(_ name: String, isEnabled: Bool) async throws -> GroupChange
    /// Takes a tunnel away.
    func removeTunnel(_ name: String) async throws -> GroupChange
}

extension Gateway: GroupControl {}

/// The answer to `GET` and `POST /v1/invites`.
public struct InvitationsReply: Codable, Sendable {
    /// The version of this layout.
    public var schema = GatewayStatus.schema
    /// The invitations; with tokens where they were just made.
    public var invitations: [Invitation]
}

/// The answer to `DELETE /v1/invites`.
public struct RevokedReply: Codable, Sendable {
    /// The version of this layout.
    public var schema = GatewayStatus.schema
    /// How many were taken back.
    public var revoked: Int
}

/// The answer to `GET /v1/members`.
public struct MembersReply: Codable, Sendable {
    /// The version of this layout.
    public var schema = GatewayStatus.schema
    /// The members, by name.
    public var members: [GroupMember]
}

/// The answer to `GET /v1/tunnels`.
public struct TunnelsReply: Codable, Sendable {
    /// The version of this layout.
    public var schema = GatewayStatus.schema
    /// The tunnels, by name.
    public var tunnels: [GroupTunnel]
}

/// The answer to whatever changes the group.
public struct ChangeReply: Codable, Sendable {
    /// The version of this layout.
    public var schema = GatewayStatus.schema
    /// The group's revision after the change.
    public var revision: UInt64
    /// After a removal: members that have not said yet that they heard of it.
    public var notAcknowledged: [String]

    init(_ change: GroupChange) {
        revision = change.revision
        notAcknowledged = change.notAcknowledged
    }

    private enum CodingKeys: String, CodingKey {
        case schema, revision
        case notAcknowledged = "not_acknowledged"
    }
}
