public import DXTunnel

/// What the control API asks of a gateway about its audit records. `Gateway` fits it.
public protocol AuditControl: Sendable {
    /// The newest records, the oldest of them first; nil where none are kept.
    func auditRecords(tunnel: String?, since: Timestamp?, limit: Int) async throws -> [AuditRecord]?
}

extension Gateway: AuditControl {}

/// The answer to `GET /v1/audit`.
public struct AuditReply: Codable, Hashable, Sendable {
    /// The version of this layout.
    public var schema: Int
    /// The newest records, the oldest of them first.
    public var records: [AuditRecord]

    /// An answer with these.
    public init(records: [AuditRecord]) {
        schema = GatewayStatus.schema
        self.records = records
    }

    /// The most that are asked for at a time: some 4 MB of JSON.
    public static let maximumCount = 10_000
}

extension ControlClient {
    /// Asks for the newest audit records; the JSON text as it came, too.
    ///
    /// - Parameters:
    ///   - tunnel: of this one only, escaped as a part of a query; nil for all.
    ///   - since: that ended then or later.
    ///   - limit: how many at most, 1 to `AuditReply.maximumCount`.
    public func audit(
        tunnel: String?, since: Timestamp?, limit: Int
    ) async throws(ControlClientError) -> (reply: AuditReply, json: String) {
        var uri = "/v1/audit?limit=\(limit)"
        if let tunnel { uri += "&tunnel=\(tunnel)" }
        if let since { uri += "&since=\(since)" }
        return try await group(.get, uri, as: AuditReply.self)
    }
}
