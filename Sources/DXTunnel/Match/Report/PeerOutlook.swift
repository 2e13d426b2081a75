import DXMatch

/// How it stands with a peer, and the one smallest change that would make the way to it direct, from all that is known here. Pure.
///
/// What stands first in the chain of things that a way needs is named: that UDP leaves this network, that a matchmaker lists both,
/// that the two networks fit together. There is no use in mapping a port where no UDP passes.
struct PeerOutlook: Equatable {
    /// How it stands, in a sentence.
    let conclusion: String
    /// What would make it direct; nil where it is, or where nothing has to change.
    let remedy: String?

    /// A matchmaker, as far as it matters.
    struct Matchmaker: Equatable {
        /// `HOST:PORT`.
        var server: String
        /// Whether this gateway is registered there.
        var isRegistered: Bool
        /// What is wrong there.
        var problem: String?
    }

    /// The last introduction.
    enum Introduction: Equatable {
        /// There was none.
        case none
        /// It goes on.
        case running
        /// It found a way.
        case found
        /// It did not.
        case failed(HolePunch.Failure)
    }

    /// What is known.
    struct Facts: Equatable {
        /// The peer's name.
        var peer: String
        /// Whether a channel is up, and by what kind of path.
        var pathKind: PathKind?
        /// The member that forwards, when that is the path.
        var forwardedBy: String?
        /// Whether there are members that may forward to the peer.
        var hasForwarders = false
        /// Whether the gateway takes part in matchmaking; without matchmakers it does not.
        var hasMatchmakers = true
        /// The networks here that UDP does not leave, of those that were looked at; and whether it leaves one.
        var isUDPBlocked = false
        /// The group's matchmakers.
        var matchmakers: [Matchmaker] = []
        /// Whether one of them lists the peer.
        var isListed = false
        /// The last introduction.
        var introduction = Introduction.none
        /// What can be expected of the two networks.
        var theory = NATVerdict.unknown
        /// Why the introduction before the one that goes on found nothing.
        var earlierFailure: String?
        /// Whether the outside port that could not be guessed is this gateway's.
        var isHardSideOurs = false
        /// Why the last call found nobody.
        var lastError: String?

        /// Whether a direct way was looked for in vain.
        fileprivate var hasFailed: Bool {
            if case .failed = introduction { return true }
            return !hasMatchmakers && lastError != nil
        }
    }

    /// The outlook on these facts.
    init(_ facts: Facts) {
        (conclusion, remedy) = Self.judge(facts)
    }

    private static func judge(_ facts: Facts) -> (String, String?) {
        switch facts.pathKind {
        case .direct: return ("connected, by a direct way", nil)
        case .lan: return ("connected, inside a local network", nil)
        case .forwarded:
            return judgeUnconnected(facts, prefix: "forwarded by \(facts.forwardedBy ?? "another member"), because ")
        case nil:
            let (why, remedy) = judgeUnconnected(facts, prefix: "")
            guard !facts.hasForwarders, facts.hasFailed else { return (why, remedy) }
            let forward = "let a member that both reach forward: \"forward: true\" in its file"
            return (
                why + "; and no member that reaches both forwards", remedy.map { "\($0); or \(forward)" } ?? forward
            )
        }
    }

    private static func judgeUnconnected(_ facts: Facts, prefix: String) -> (String, String?) {
        let (why, remedy) = obstacle(facts)
        return (prefix + why, remedy)
    }

    /// What stands in the way.
    private static func obstacle(_ facts: Facts) -> (String, String?) {
        guard facts.hasMatchmakers else {
            return (
                facts.earlierFailure ?? facts.lastError ?? "no way to it is known yet",
                "give the group a matchmaker (dxgateway config match add HOST:PORT#PIN), or make one of the two reachable at an"
                    + " address that the other knows"
            )
        }
        if facts.isUDPBlocked {
            return (
                "\(NATVerdict.Reason.noUDP(isOurs: true))", "\(NATVerdict.Remedy.allowUDP(isOurs: true))"
            )
        }
        guard facts.matchmakers.contains(where: \.isRegistered) else { return matchmakerObstacle(facts) }
        switch facts.introduction {
        case .failed(let failure) where facts.isListed || failure.isTheory: return introductionObstacle(failure, facts)
        case .running:
            let isRunning = "a way is being looked for at this moment"
            if case .impossible(let reason, let remedy) = facts.theory {
                return ("\(reason); \(isRunning) all the same", "\(remedy)")
            }
            return (isRunning + (facts.earlierFailure.map { "; the last time: \($0)" } ?? ""), nil)
        case .none, .found, .failed: break
        }
        guard facts.isListed else {
            return (
                "\(facts.peer) is not registered with any matchmaker at which this gateway is",
                "start the gateway there; if it runs, its network lets no UDP out or it uses other matchmakers: dxgateway netcheck"
                    + " there says which"
            )
        }
        if facts.introduction == .found {
            return (
                facts.lastError ?? "a way was found, and the peer is called",
                facts.lastError.map { _ in
                    "see the log of the gateway there: the way works, and the handshake over it does not"
                }
            )
        }
        return ("no introduction has been made yet", nil)
    }

    /// This gateway is registered nowhere.
    private static func matchmakerObstacle(_ facts: Facts) -> (String, String?) {
        guard let failing = facts.matchmakers.first(where: { $0.problem != nil }), let problem = failing.problem else {
            return ("this gateway is about to register with its matchmakers", nil)
        }
        return (
            "this gateway is registered with no matchmaker: \(failing.server): \(problem)",
            "make \(failing.server) reachable from here: see whether dxmatchd runs there and UDP to its port passes (dxgateway netcheck)"
        )
    }

    private static func introductionObstacle(_ failure: HolePunch.Failure, _ facts: Facts) -> (String, String?) {
        switch failure {
        case .impossible(let reason, let remedy): return ("\(reason)", "\(remedy)")
        case .notGuessed:
            let side = facts.isHardSideOurs ? "this network's" : "\(facts.peer)'s"
            return (
                "\(failure); it is tried again",
                "map a port to the gateway at \(side) router (PCP or UPnP, or by hand), so that nothing has to be guessed"
            )
        case .notFound(let failure): return ("\(failure)", remedy(for: failure, facts))
        }
    }

    private static func remedy(for failure: CheckList.Failure, _ facts: Facts) -> String {
        switch failure {
        case .noLocalCandidate: "give this host an address on a network"
        case .noRemoteCandidate: "give \(facts.peer)'s host an address that others can send to"
        case .noCommonFamily: "\(NATVerdict.Remedy.commonFamily)"
        case .silence:
            "have the firewalls of both hosts and networks let UDP of the gateways out to any port, and answers in"
        case .unanswered: "have the firewall here let UDP of this gateway out to any port"
        case .unheard: "have the firewall of \(facts.peer)'s host or network let UDP of that gateway out to any port"
        }
    }
}

extension HolePunch.Failure {
    /// Whether it holds as long as the two networks are what they are.
    fileprivate var isTheory: Bool {
        if case .impossible = self { return true }
        return false
    }
}
