/// What a gateway's NAT means for it: with which kinds of networks it finds a direct way, by `NATVerdict`. For `netcheck`, which
/// knows one end only.
public struct NATOutlook: Equatable, Sendable {
    /// Kinds of networks with which checks alone find a way.
    public private(set) var direct: [String] = []
    /// Those where one outside port has to be guessed.
    public private(set) var byPrediction: [String] = []
    /// Those with which there is no direct way.
    public private(set) var impossible: [String] = []

    /// The kinds of networks that a peer may be in, by IPv4, the easiest first. What is left out is between two of them.
    static let kinds: [NATBehaviour] = [
        .open,
        NATBehaviour(mapping: .endpointIndependent, filtering: .endpointIndependent),
        NATBehaviour(mapping: .endpointIndependent, filtering: .addressDependent),
        NATBehaviour(mapping: .endpointIndependent, filtering: .addressAndPortDependent),
        NATBehaviour(
            mapping: .addressAndPortDependent, filtering: .addressAndPortDependent, ports: .sequential(step: 1)),
        NATBehaviour(mapping: .addressAndPortDependent, filtering: .addressAndPortDependent, ports: .random),
    ]

    /// The outlook of a gateway with these ways; empty when nothing is known of them.
    public init(_ ours: Reachability) {
        for kind in Self.kinds {
            // A peer with IPv6 has IPv4 too; the better of both counts there, as here.
            var theirs = Reachability(v4: kind)
            if ours.v4 == nil { theirs = Reachability(v6: kind) }
            switch NATVerdict(ours: ours, theirs: theirs) {
            case .direct: direct.append(kind.usualName)
            case .byPrediction: byPrediction.append(kind.usualName)
            case .impossible: impossible.append(kind.usualName)
            case .unknown: break
            }
        }
    }
}
