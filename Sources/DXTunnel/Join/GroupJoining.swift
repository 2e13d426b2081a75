internal import DXSecure
internal import DXSocket
internal import DXWire
internal import NIOCore
internal import NIOPosix

/// A gateway's way into a group, by a token (`docs/group.md` §8): asks the inviter at each of the token's addresses, proves the
/// token, and writes what it is told into a state directory, from which the gateway then runs.
public struct GroupJoining: Sendable {
    /// The token as it was printed; white space does no harm.
    public var token: String
    /// What this gateway would like to be called; the invitation may say otherwise.
    public var name: String?
    /// The directory, made when it is not there. An identity that is in it is used, so that asking again is the same gateway.
    public var stateDirectory: String
    /// How long to go on asking.
    public var patience: Duration

    /// What to do; nothing happens yet.
    public init(token: String, name: String? = nil, stateDirectory: String, patience: Duration = .seconds(20)) {
        self.token = token
        self.name = name
        self.stateDirectory = stateDirectory
        self.patience = patience
    }

    /// Joins. May be called again after any failure, with the same token: it is this gateway's once it was used.
    ///
    /// - Throws: `StateProblem` for the token and the directory, `GroupError` for what the inviter says.
    public func run() async throws -> GroupSummary {
        if let name, !NameRule.isValid(name) {
            throw StateProblem("\"\(name)\"", "is no name", "use letters, digits, '.', '-' and '_'")
        }
        let token: InviteToken
        do throws(InviteToken.Refusal) { token = try InviteToken(self.token) } catch { throw Self.problem(error) }
        let state = try StateDirectory(locking: stateDirectory)
        guard !state.hasGroup else {
            throw StateProblem(
                stateDirectory, "holds a group already", "name another directory with --state, or remove this one")
        }
        state.removeLeftovers()
        let identity = try state.identity()
        let grant = try await ask(token, identity)
        guard grant.rootKey.gatewayID != nil else {
            throw GroupError(.failed, "the inviter's answer makes no sense", "check that both have one version")
        }
        try state.add(grant.epoch)
        var document = GroupDocument(rootKey: grant.rootKey)
        for record in grant.records { _ = document.insert(record) }
        try state.save(
            GroupFile(
                document, member: grant.member,
                introducer: GroupFile.Introducer(
                    key: token.inviter, addresses: token.addresses, matchmakers: token.matchmakers)))
        return try GroupSummary(stateDirectory: stateDirectory)
    }

    private func ask(_ token: InviteToken, _ identity: Identity) async throws -> JoinGrant {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let gate = LoopGate(loop)
        let (name, patience) = (name, patience)
        do {
            let grant = try await loop.flatSubmit {
                let lookUps = token.addresses.map { address in
                    NameResolver.resolve(address, at: gate).recover { _ in [] }
                }
                return EventLoopFuture.whenAllSucceed(lookUps, on: loop).flatMap { lists in
                    loop.flatSubmit {
                        do {
                            let client = try JoinClient(token, identity, name: name, at: gate)
                            return client.run(at: lists.flatMap { $0 }, patience: TimeAmount(patience))
                        } catch { return loop.makeFailedFuture(error) }
                    }
                }
            }.get()
            gate.close()
            try await group.shutdownGracefully()
            return grant
        } catch {
            gate.close()
            try? await group.shutdownGracefully()
            throw error
        }
    }

    private static func problem(_ refusal: InviteToken.Refusal) -> StateProblem {
        switch refusal {
        case .notAToken:
            StateProblem("the token", "is none", "give what dxgateway invite printed: \(InviteToken.prefix)…")
        case .otherVersion:
            StateProblem("the token", "is of another version", "run the dxgateway of the inviter's version")
        case .damaged: StateProblem("the token", "is damaged", "copy all of it, to the last character")
        }
    }
}
