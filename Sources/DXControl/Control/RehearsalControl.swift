public import DXTunnel

/// What the control API asks of a gateway whose paths or peers are cut for a rehearsal. `Gateway` fits it.
public protocol RehearsalControl: Sendable {
    /// The rehearsal that goes on, or else the last one.
    var rehearsal: RehearsalReport? { get }
    /// What would be cut, and what stands by.
    func rehearsalPlan(_ target: RehearsalTarget, seconds: Int) async throws -> RehearsalPlan
    /// Begins; what is cut, and what stands by.
    func rehearse(_ target: RehearsalTarget, seconds: Int, isForced: Bool) async throws -> RehearsalPlan
    /// Ends the cut at once; false when none goes on.
    func stopRehearsal() async throws -> Bool
}

extension Gateway: RehearsalControl {}

/// The body of `POST /v1/rehearse`.
public struct RehearsalRequest: Codable, Hashable, Sendable {
    /// The peer's name, or at least 8 characters of its id.
    public var peer: String
    /// Absent for all ways to the peer; else `RehearsalTarget.path`.
    public var path: [String]?
    /// For how long, 1 to 60 s; 10 when absent.
    public var seconds: Int?
    /// Also when nothing stands by for open connections.
    public var force: Bool?
    /// Say what would be cut, and do nothing.
    public var dryRun: Bool?

    /// A request from its parts.
    public init(
        peer: String, path: [String]? = nil, seconds: Int? = nil, force: Bool? = nil, dryRun: Bool? = nil
    ) {
        self.peer = peer
        self.path = path
        self.seconds = seconds
        self.force = force
        self.dryRun = dryRun
    }

    /// When nothing else is said: longer than any failover takes.
    public static let usualSeconds = 10
    static let example = "{\"peer\": \"cloud-1\", \"path\": [\"192.0.2.7\"], \"seconds\": 10}"

    private enum CodingKeys: String, CodingKey {
        case peer, path, seconds, force
        case dryRun = "dry_run"
    }

    /// Throws for what cannot be meant.
    func check() throws {
        guard (1...RehearsalPlan.maximumSeconds).contains(seconds ?? Self.usualSeconds) else {
            throw ControlError(
                code: .badRequest, message: "seconds are 1 to \(RehearsalPlan.maximumSeconds)",
                hint: "send \(Self.example)")
        }
    }

    /// Has it done.
    func answer(_ control: any RehearsalControl) async throws -> RehearsalPlan {
        let target = RehearsalTarget(peer: peer, path: path)
        let seconds = seconds ?? Self.usualSeconds
        if dryRun ?? false { return try await control.rehearsalPlan(target, seconds: seconds) }
        return try await control.rehearse(target, seconds: seconds, isForced: force ?? false)
    }
}

/// The answer to `POST /v1/rehearse`.
public struct RehearsalPlanReply: Codable, Hashable, Sendable {
    /// The version of this layout.
    public var schema = GatewayStatus.schema
    /// What is cut, and what stands by.
    public var plan: RehearsalPlan
}

/// The answer to `GET /v1/rehearse`.
public struct RehearsalReply: Codable, Hashable, Sendable {
    /// The version of this layout.
    public var schema = GatewayStatus.schema
    /// The rehearsal that goes on, or else the last one; absent when there was none since the start.
    public var rehearsal: RehearsalReport?
}

/// The answer to `DELETE /v1/rehearse`.
public struct RehearsalStopReply: Codable, Hashable, Sendable {
    /// The version of this layout.
    public var schema = GatewayStatus.schema
    /// Whether something was cut.
    public var stopped: Bool
}
