public import DXTunnel

/// What the control API asks of a gateway that is to stop, or whose destinations have failed. `Gateway` fits it.
public protocol AvailabilityControl: Sendable {
    /// Begins to drain, or ends that; how many connections are open.
    func setDraining(_ isDraining: Bool) async throws -> Int
    /// Uses the destinations of a tunnel that have failed again.
    func failBack(_ tunnel: String) async throws
}

extension Gateway: AvailabilityControl {}

/// The body of `POST /v1/drain`.
public struct DrainRequest: Codable, Hashable, Sendable {
    /// Whether to drain; false ends it.
    public var drain: Bool

    /// A request to drain, or to end that.
    public init(drain: Bool = true) { self.drain = drain }
}

/// The answer to `POST /v1/drain`.
public struct DrainReply: Codable, Hashable, Sendable {
    /// The version of this layout.
    public var schema = GatewayStatus.schema
    /// Connections open now, at both ends of tunnels together.
    public var openConnections: Int

    private enum CodingKeys: String, CodingKey {
        case schema
        case openConnections = "open_connections"
    }
}

/// The answer where there is nothing to say.
public struct DoneReply: Codable, Hashable, Sendable {
    /// The version of this layout.
    public var schema = GatewayStatus.schema
}
