import DXSecure
import DXWire
import NIOCore

/// The group's matchmakers, as operators change them (`docs/group.md` §3.5).
extension GroupAgent {
    /// What the group has agreed on.
    func matchConfiguration() throws(GroupError) -> MatchConfiguration {
        MatchConfiguration(
            servers: state.matchServers.map(\.description), key: try state.matchKey.map(Self.text),
            revision: state.revision, madeKey: false)
    }

    /// Adds and removes matchmakers. The first one brings the match key with it: without a key nobody can register.
    func changeMatch(_ change: MatchChange) throws(GroupError) -> EventLoopFuture<MatchConfiguration> {
        try requireAdmin()
        var servers = state.matchServers
        for text in change.remove ?? [] { try Self.remove(text, from: &servers) }
        for text in change.add ?? [] { try Self.add(text, to: &servers) }
        let makesKey = change.newKey ?? false || !servers.isEmpty && state.matchKey == nil
        guard makesKey || servers != state.matchServers else {
            throw GroupError(.badRequest, "nothing is to be changed", "name a matchmaker: HOST:PORT#PIN")
        }
        if makesKey { try sayMatchKey() }
        if servers != state.matchServers {
            let known = state.policies[MatchServersRecord.policy].flatMap { try? MatchServersRecord($0) }
            try say(
                .policy, id: Array(MatchServersRecord.policy.utf8),
                body: MatchServersRecord(servers: servers, keepingUnknownOf: known).body(
                    at: Timestamp.now().wholeSeconds))
        }
        return try committed(madeKey: makesKey)
    }

    /// The match key, which is made if there is none.
    func requireMatchKey() throws(GroupError) -> EventLoopFuture<MatchConfiguration> {
        guard state.matchKey == nil else {
            return core.eventLoop.makeSucceededFuture(try matchConfiguration())
        }
        try requireAdmin()
        try sayMatchKey()
        return try committed(madeKey: true)
    }

    private func sayMatchKey() throws(GroupError) {
        let known = state.policies[MatchKeyRecord.policy].flatMap { try? MatchKeyRecord($0) }
        try say(
            .policy, id: Array(MatchKeyRecord.policy.utf8),
            body: MatchKeyRecord(key: .generate(), keepingUnknownOf: known).body(at: Timestamp.now().wholeSeconds))
    }

    private func committed(madeKey: Bool) throws(GroupError) -> EventLoopFuture<MatchConfiguration> {
        var configuration = try matchConfiguration()
        configuration.madeKey = madeKey
        let result = configuration
        return commit().map { _ in result }
    }

    private static func add(_ text: String, to servers: inout [MatchmakerAddress]) throws(GroupError) {
        let server: MatchmakerAddress
        do throws(MatchmakerAddressError) { server = try MatchmakerAddress(text) } catch {
            throw GroupError(.badRequest, "\"\(text)\" \(error)", error.remedy)
        }
        guard !servers.contains(server) else {
            throw GroupError(.conflict, "\(server.address) is there already", "dxgateway config match list shows all")
        }
        guard servers.count < MatchServersRecord.most else {
            throw GroupError(
                .conflict, "a group has at most \(MatchServersRecord.most) matchmakers",
                "remove one with dxgateway config match remove")
        }
        servers.append(server)
    }

    private static func remove(_ text: String, from servers: inout [MatchmakerAddress]) throws(GroupError) {
        let rest = servers.filter { $0.description != text && $0.address.description != text }
        guard rest.count < servers.count else {
            throw GroupError(.notFound, "there is no matchmaker \(text)", "dxgateway config match list shows them")
        }
        servers = rest
    }

    private static func text(_ key: MatchKey) throws(GroupError) -> String {
        do throws(SecureError) { return Base64URL.text(try key.identity().publicKey.bytes) } catch {
            throw GroupError(.failed, "the match key cannot be used (\(error))", "check the system's OpenSSL")
        }
    }
}
