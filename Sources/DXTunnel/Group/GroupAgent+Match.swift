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
        try requireAdmin(toAdd: change.add ?? [])
        var servers = state.matchServers
        for text in change.remove ?? [] { try Self.remove(text, own: core.service?.pin, from: &servers) }
        for text in change.add ?? [] {
            guard let own = try ownMatchmaker(named: text) else {
                try Self.add(text, to: &servers)
                continue
            }
            // Listed twice, each member would be registered there twice, each time instead of the other. It moves.
            if !servers.contains(own) { servers.removeAll { $0.pin == own.pin } }
            try Self.add(own.description, to: &servers)
        }
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

    /// This gateway's own matchmaker where a text names it by `self`; nil for all other texts.
    private func ownMatchmaker(named text: String) throws(GroupError) -> MatchmakerAddress? {
        guard text == MatchService.selfWord || text.hasSuffix("#" + MatchService.selfWord) else { return nil }
        guard let service = core.service else {
            throw GroupError(
                .conflict, "this gateway is no matchmaker", "say serve_match: true in its configuration, and restart it"
            )
        }
        return try service.address(named: text)
    }

    /// Who is no admin is told what an admin has to add.
    private func requireAdmin(toAdd texts: [String]) throws(GroupError) {
        guard !isAdmin else { return }
        for text in texts {
            guard let own = try ownMatchmaker(named: text) else { continue }
            throw GroupError(
                .notAdmin, "this gateway is not an admin of its group",
                "do it on one: dxgateway config match add \(own)")
        }
        try requireAdmin()
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
            throw GroupError(.conflict, "\(server.place) is there already", "dxgateway config match list shows all")
        }
        guard servers.count < MatchServersRecord.most else {
            throw GroupError(
                .conflict, "a group has at most \(MatchServersRecord.most) matchmakers",
                "remove one with dxgateway config match remove")
        }
        servers.append(server)
    }

    private static func remove(
        _ text: String, own: GatewayID?, from servers: inout [MatchmakerAddress]
    ) throws(GroupError) {
        let rest =
            text == MatchService.selfWord
            ? servers.filter { $0.pin != own }
            : servers.filter { $0.description != text && $0.place != text }
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
