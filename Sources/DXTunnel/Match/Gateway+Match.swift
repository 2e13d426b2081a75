internal import DXSecure
internal import DXWire
internal import NIOCore
internal import NIOPosix

/// What a gateway tells of its network and of its ways to others.
extension Gateway {
    /// Looks at the network now, and adds what the gateway knows of it. Takes about four seconds, twelve at most.
    ///
    /// - Throws: `GatewayError.notRunning`; `system` when a check goes on already.
    public func checkNetwork() async throws -> NetworkReport {
        try await onCore { core, promise in core.checkNetwork(promise) }
    }

    /// The same without a gateway.
    ///
    /// - Parameters:
    ///   - matchmakers: whom to ask.
    ///   - stun: further servers that answer STUN (RFC 5389, best with RFC 5780).
    public static func checkNetwork(
        matchmakers: [MatchmakerAddress], stun: [HostAddress]
    ) async throws -> NetworkReport {
        let servers =
            matchmakers.map { NetworkCheck.Server($0) }
            + stun.map { NetworkCheck.Server(stun: $0) }
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        return try await loop.flatSubmit {
            let promise = loop.makePromise(of: NetworkReport.self)
            NetworkCheck(servers, at: LoopGate(loop)) { promise.succeed($0) }.start()
            return promise.futureResult
        }.get()
    }

    /// What was tried to reach a peer, and what came of it.
    ///
    /// - Parameter peer: its configured name, or at least 8 characters of its id.
    /// - Throws: `GatewayError.notRunning`, `unknownPeer`.
    public func explain(_ peer: String) async throws -> PeerExplanation {
        for explanation in try await onEachLoop({ $0.explain(peer) }) {
            if let explanation { return explanation }
        }
        throw GatewayError.unknownPeer(peer)
    }
}

extension GatewayCore {
    /// Looks at the network for `netcheck`.
    func checkNetwork(_ promise: EventLoopPromise<NetworkReport>) {
        guard networkCheck == nil else {
            return promise.fail(GatewayError.system("the network is being looked at already: ask again in ten seconds"))
        }
        let own = ownMatchmaker
        let servers = (match?.plan.servers ?? []).map { server in
            NetworkCheck.Server(server, own: server.pin == own?.pin ? own?.endpoints : nil)
        }
        let check = NetworkCheck(servers, at: gate) { [weak self] found in
            self?.networkCheck = nil
            var report = found
            self?.match?.complete(&report)
            promise.succeed(report)
        }
        networkCheck = check
        check.start()
    }
}

extension MatchAgent {
    /// Adds what this gateway knows to what a check found.
    func complete(_ report: inout NetworkReport) {
        let known = status(now: host.currentTime())
        for index in report.matchmakers.indices {
            guard let here = known.matchmakers.first(where: { $0.server == report.matchmakers[index].server }) else {
                continue
            }
            report.matchmakers[index].members = here.members
            switch (here.state, report.matchmakers[index].state) {
            case (.registered, .answers): report.matchmakers[index].state = .registered
            // It answers strangers, but not this group.
            case (.failing, .answers):
                report.matchmakers[index].state = .failing
                report.matchmakers[index].problem = here.problem
            default: break
            }
        }
        report.binding = known.networks.first { $0.ipVersion == 4 }?.binding ?? known.networks.first?.binding
        report.keepaliveSeconds = known.keepaliveSeconds
    }
}
