public import DXTunnel

/// What the control API asks of a gateway about its group. `Gateway` fits it.
public protocol GroupControl: Sendable {
    /// Makes invitations, or has another admin make them.
    func invite(_ request: InviteRequest) async throws -> [Invitation]
    /// The invitations of this gateway, or of another admin, without their tokens.
    func invitations(at name: String?) async throws -> [Invitation]
    /// Takes an invitation back, or all, here or at another admin; how many.
    func revokeInvitation(_ id: String?, at name: String?) async throws -> Int
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
    /// Opens a connection through a tunnel that begins here.
    func dial(_ tunnel: String, to destination: String?) async throws -> TunnelStream
    /// Confirms what holds for a time only.
    func confirm(_ tunnel: String?) async throws -> GroupChange
    /// Makes all tunnels what they were.
    func rollBack(to revision: UInt64) async throws -> GroupChange
    /// Has all members forget what is not in force.
    func makeCheckpoint() async throws -> GroupChange
    /// What the group has agreed on.
    func groupConfiguration() async throws -> GroupConfiguration
    /// What the group has agreed on about matchmakers.
    func matchConfiguration() async throws -> MatchConfiguration
    /// Adds and removes matchmakers, or gives the group another match key.
    func changeMatch(_ change: MatchChange) async throws -> MatchConfiguration
    /// The same, with a match key, which is made if there is none.
    func requireMatchKey() async throws -> MatchConfiguration
    /// What is held of the past.
    func groupHistory(limit: Int) async throws -> [GroupHistoryEntry]
    /// The signed records.
    func groupRecords() async throws -> [String]
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

/// The answer to `GET /v1/tunnels/NAME`.
public struct TunnelReply: Codable, Sendable {
    /// The version of this layout.
    public var schema = GatewayStatus.schema
    /// The tunnel, as the group has it.
    public var tunnel: GroupTunnel
    /// Its ends at the gateway that answers.
    public var here: [TunnelStatus]
}

/// The answer to `GET /v1/config`, and with the records to `GET /v1/config/export`.
public struct ConfigurationReply: Codable, Sendable {
    /// The version of this layout.
    public var schema = GatewayStatus.schema
    /// What the group has agreed on.
    public var configuration: GroupConfiguration
    /// The signed records in base64url; only in an export.
    public var records: [String]?
}

/// The answer to `GET` and `PATCH /v1/config/match` and to `POST /v1/config/match-key`.
public struct MatchReply: Codable, Sendable {
    /// The version of this layout.
    public var schema = GatewayStatus.schema
    /// What the group has agreed on.
    public var match: MatchConfiguration
}

/// The answer to `GET /v1/config/history`.
public struct HistoryReply: Codable, Sendable {
    /// The version of this layout.
    public var schema = GatewayStatus.schema
    /// Newest first.
    public var history: [GroupHistoryEntry]
}

/// The body of `POST /v1/config/confirm`.
public struct ConfirmRequest: Codable, Hashable, Sendable {
    /// The tunnel; all when absent.
    public var tunnel: String?

    /// A request to confirm one tunnel, or all.
    public init(tunnel: String? = nil) { self.tunnel = tunnel }
}

/// The body of `POST /v1/config/rollback`.
public struct RollbackRequest: Codable, Hashable, Sendable {
    /// Where to go back to.
    public var revision: UInt64

    /// A request to go back to a revision.
    public init(revision: UInt64) { self.revision = revision }
}

/// The answer to whatever changes the group.
public struct ChangeReply: Codable, Sendable {
    /// The version of this layout.
    public var schema = GatewayStatus.schema
    /// The group's revision after the change.
    public var revision: UInt64
    /// After a removal: members that have not said yet that they heard of it.
    public var notAcknowledged: [String]
    /// What was changed, where the request did not say.
    public var changed: [String]

    init(_ change: GroupChange) {
        revision = change.revision
        notAcknowledged = change.notAcknowledged
        changed = change.changed
    }

    private enum CodingKeys: String, CodingKey {
        case schema, revision, changed
        case notAcknowledged = "not_acknowledged"
    }
}
