public import DXWire

/// What is known of one gateway's ways, for `NATVerdict`: of both families, and whatever lets others in.
public struct Reachability: Hashable, Sendable {
    /// By IPv4; nil when the host has none.
    public var v4: NATBehaviour?
    /// By IPv6; nil when the host has none.
    public var v6: NATBehaviour?
    /// Whether the router has mapped a port to the gateway (IPv4), or opened one (IPv6).
    public var hasMappedPort: Bool

    /// The ways of one gateway.
    public init(v4: NATBehaviour? = nil, v6: NATBehaviour? = nil, hasMappedPort: Bool = false) {
        self.v4 = v4
        self.v6 = v6
        self.hasMappedPort = hasMappedPort
    }

    /// How a family works; a mapped port lets everybody in, at an endpoint that is told.
    func behaviour(_ family: Endpoint.Family) -> NATBehaviour? {
        guard var behaviour = family == .v4 ? v4 : v6 else { return nil }
        guard hasMappedPort, behaviour.transport == .works else { return behaviour }
        behaviour.filtering = .endpointIndependent
        if behaviour.mapping != .none { behaviour.mapping = .endpointIndependent }
        return behaviour
    }
}

/// Whether two gateways can find a direct way, by what is known of their NATs: pure theory (`docs/matchmaking.md` §8).
public enum NATVerdict: Hashable, Sendable {
    /// By checks alone.
    case direct(Endpoint.Family)
    /// One side's outside port must be guessed.
    case byPrediction(Prediction)
    /// Not at all. What would change it, the least first.
    case impossible(Reason, Remedy)
    /// Too little is known.
    case unknown

    /// How a port is guessed, and whose.
    public struct Prediction: Hashable, Sendable, BitwiseCopyable {
        /// Whether it is our port that is not foreseeable: we are the hard side.
        public let isOurs: Bool
        /// How.
        public let method: Method

        /// The method for the port of one side.
        public init(isOurs: Bool, method: Method) {
            self.isOurs = isOurs
            self.method = method
        }
    }

    /// How a port is guessed.
    public enum Method: Hashable, Sendable, BitwiseCopyable {
        /// Ports follow one another by this step.
        case sequential(step: Int8)
        /// Many sockets at the hard side, many guesses at the other.
        case birthday
    }

    /// Why there is no direct way.
    public enum Reason: Hashable, Sendable {
        /// A network lets no UDP out: ours, or the peer's.
        case noUDP(isOurs: Bool)
        /// One has IPv4 only, the other IPv6 only.
        case noCommonFamily
        /// Both NATs choose outside ports that cannot be foreseen.
        case bothHard
        /// Both are behind one NAT which does not turn datagrams back, in a network that keeps its hosts apart.
        case noHairpin
    }

    /// The one smallest thing that would make it direct. One of several with the same effect is named, the one that most
    /// people can do.
    public enum Remedy: Hashable, Sendable {
        /// Let UDP out of this network.
        case allowUDP(isOurs: Bool)
        /// Map a port at either router, by hand or by letting it speak PCP or UPnP.
        case mapPort
        /// IPv6 for the side that has none, as the other one has it.
        case addIPv6(isOurs: Bool)
        /// IPv4 or IPv6, so that both have one in common.
        case commonFamily
        /// Let hosts of the common network reach each other, or the router turn datagrams back.
        case allowNeighbours
    }

    /// The verdict on two gateways, with nothing said of the network that they may share.
    public init(ours: Reachability, theirs: Reachability) {
        let families: [Endpoint.Family] = [.v6, .v4]
        let verdicts = families.compactMap { family -> NATVerdict? in
            guard let mine = ours.behaviour(family), let other = theirs.behaviour(family) else { return nil }
            return Self.judge(mine, other, family)
        }
        let isDirect = verdicts.first { if case .direct = $0 { true } else { false } }
        let isPredicted = verdicts.first { if case .byPrediction = $0 { true } else { false } }
        if let best = isDirect ?? isPredicted {
            self = best
        } else if verdicts.contains(.unknown) {
            self = .unknown
        } else if verdicts.isEmpty {
            let isNothing = (ours.v4 ?? ours.v6) == nil || (theirs.v4 ?? theirs.v6) == nil
            self = isNothing ? .unknown : .impossible(.noCommonFamily, .commonFamily)
        } else {
            self = Self.impossible(verdicts, ours: ours, theirs: theirs)
        }
    }

    /// The verdict on two gateways that are seen at one and the same address.
    ///
    /// - Parameter isApart: whether they are known not to reach each other inside. When they may, checks will tell.
    public init(behind shared: NATBehaviour, isApart: Bool) {
        if shared.transport == .blocked && isApart {
            self = .impossible(.noUDP(isOurs: true), .allowNeighbours)
        } else if !isApart {
            self = .direct(.v4)
        } else {
            switch shared.hairpins {
            case true?:
                // Datagrams come back in as strangers': each side needs to foresee the other's port, as from anywhere.
                self.init(ours: Reachability(v4: shared), theirs: Reachability(v4: shared))
            case false?: self = .impossible(.noHairpin, .allowNeighbours)
            case nil: self = .unknown
            }
        }
    }

    // MARK: Theory

    /// One family. The sender's outside endpoint is known to the other side, or foreseen, or not; what comes in is filtered by
    /// what was sent before.
    private static func judge(_ ours: NATBehaviour, _ theirs: NATBehaviour, _ family: Endpoint.Family) -> NATVerdict {
        if ours.transport == .blocked { return .impossible(.noUDP(isOurs: true), .allowUDP(isOurs: true)) }
        if theirs.transport == .blocked { return .impossible(.noUDP(isOurs: false), .allowUDP(isOurs: false)) }
        guard ours.transport == .works, theirs.transport == .works, ours.mapping != .unknown, theirs.mapping != .unknown
        else { return .unknown }
        switch (ours.isForeseeable, theirs.isForeseeable) {
        case (true, true): return .direct(family)
        case (true, false): return judge(easy: ours, hard: theirs, isHardOurs: false, family)
        case (false, true): return judge(easy: theirs, hard: ours, isHardOurs: true, family)
        case (false, false): return judgeBothHard(ours, theirs, family)
        }
    }

    /// The hard side sends to the easy one's endpoint, from a port that nobody knows; once that datagram is in, the answer finds
    /// its way. So all depends on the easy side's filter.
    private static func judge(
        easy: NATBehaviour, hard: NATBehaviour, isHardOurs: Bool, _ family: Endpoint.Family
    ) -> NATVerdict {
        switch easy.filtering {
        // The address alone is known, and was sent to.
        case .endpointIndependent, .addressDependent: return .direct(family)
        case .unknown, .addressAndPortDependent: break
        }
        if case .sequential(let step) = hard.ports {
            return .byPrediction(Prediction(isOurs: isHardOurs, method: .sequential(step: step)))
        }
        return .byPrediction(Prediction(isOurs: isHardOurs, method: .birthday))
    }

    /// Both send from ports that nobody knows. One that lets everybody in hears the other at the endpoint that a matchmaker saw,
    /// and answers from a new port: which the other lets in if it looks at addresses at most. That one answers from a new
    /// port again, and so on for ever, unless one of them has a single port for all of the other's.
    private static func judgeBothHard(
        _ ours: NATBehaviour, _ theirs: NATBehaviour, _ family: Endpoint.Family
    ) -> NATVerdict {
        let isSteady = ours.mapping == .addressDependent || theirs.mapping == .addressDependent
        func admits(_ open: NATBehaviour, _ other: NATBehaviour) -> Bool {
            guard open.filtering == .endpointIndependent else { return false }
            switch other.filtering {
            case .endpointIndependent, .addressDependent: return true
            case .addressAndPortDependent, .unknown: return false
            }
        }
        if isSteady, admits(ours, theirs) || admits(theirs, ours) { return .direct(family) }
        return .impossible(.bothHard, .mapPort)
    }

    /// No family works: the reason of the one that is nearest to working, and the least that would help.
    private static func impossible(
        _ verdicts: [NATVerdict], ours: Reachability, theirs: Reachability
    ) -> NATVerdict {
        let hard = verdicts.contains {
            if case .impossible(.bothHard, _) = $0 { true } else { false }
        }
        guard hard else { return verdicts[0] }
        // Where one has working IPv6, the other needs nothing but IPv6, which many routers have to switch on only.
        if ours.v6?.transport == .works, theirs.v6 == nil { return .impossible(.bothHard, .addIPv6(isOurs: false)) }
        if theirs.v6?.transport == .works, ours.v6 == nil { return .impossible(.bothHard, .addIPv6(isOurs: true)) }
        return .impossible(.bothHard, .mapPort)
    }
}

extension NATVerdict: CustomStringConvertible {
    /// For `netcheck` and `explain`.
    public var description: String {
        switch self {
        case .direct(let family): "a direct way by IPv\(family.rawValue)"
        case .byPrediction(let prediction):
            "a direct way if \(prediction.isOurs ? "our" : "the peer's") outside port is guessed"
        case .impossible(let reason, let remedy): "no direct way: \(reason); \(remedy)"
        case .unknown: "too little is known of the networks"
        }
    }
}

extension NATVerdict.Reason: CustomStringConvertible {
    /// The reason in words.
    public var description: String {
        switch self {
        case .noUDP(let isOurs): "\(isOurs ? "this" : "the peer's") network lets no UDP out"
        case .noCommonFamily: "one has IPv4 only, the other IPv6 only"
        case .bothHard: "both NATs choose outside ports that cannot be foreseen"
        case .noHairpin: "both are behind one NAT which turns nothing back, and neighbours are kept apart"
        }
    }
}

extension NATVerdict.Remedy: CustomStringConvertible {
    /// The remedy in words.
    public var description: String {
        switch self {
        case .allowUDP(let isOurs): "let UDP out of \(isOurs ? "this" : "the peer's") network"
        case .mapPort: "map a port to the gateway at either router (PCP or UPnP, or by hand)"
        case .addIPv6(let isOurs): "switch IPv6 on at \(isOurs ? "this" : "the peer's") network; the other one has it"
        case .commonFamily: "give one of them the other's kind of address too"
        case .allowNeighbours: "let hosts of this network reach each other (guest networks often do not)"
        }
    }
}
