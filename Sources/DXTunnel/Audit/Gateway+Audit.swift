/// What the gateway remembers of connections that went through it.
extension Gateway {
    /// The newest audit records, the oldest of them first; nil where none are kept. One of how many were left out is among them whatever
    /// the tunnel.
    ///
    /// - Parameters:
    ///   - tunnel: of this one only; nil for all.
    ///   - since: that ended then or later; nil for all.
    ///   - limit: how many at most.
    public func auditRecords(
        tunnel: String? = nil, since: Timestamp? = nil, limit: Int = 100
    ) async throws -> [AuditRecord]? {
        try await audit?.records(tunnel: tunnel, since: since, limit: limit)
    }
}
