public import DXTunnel

/// What the control API asks of a gateway about its network and its ways to others. `Gateway` fits it.
public protocol MatchControl: Sendable {
    /// Looks at the network now; takes seconds.
    func checkNetwork() async throws -> NetworkReport
    /// What was tried to reach a peer, by its name or the beginning of its gateway id.
    func explain(_ peer: String) async throws -> PeerExplanation
}

extension Gateway: MatchControl {}

extension ControlClient {
    /// Has the gateway look at its network; the JSON text as it came, too. Takes up to twelve seconds, so ask with a longer timeout.
    public func checkNetwork() async throws(ControlClientError) -> (report: NetworkReport, json: String) {
        let (reply, json) = try await group(.get, "/v1/netcheck", as: NetworkReport.self)
        return (reply, json)
    }

    /// Asks what was tried to reach a peer; the JSON text as it came, too.
    ///
    /// - Parameter peer: escaped as a part of a path.
    public func explain(_ peer: String) async throws(ControlClientError) -> (explanation: PeerExplanation, json: String)
    {
        let (reply, json) = try await group(.get, "/v1/explain/\(peer)", as: PeerExplanation.self)
        return (reply, json)
    }
}
