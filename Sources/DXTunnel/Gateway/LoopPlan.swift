import NIOCore

/// Which event loop of a gateway has which peers and origins (decision 0023).
///
/// A peer, with its channel and all that goes through it, lives on one loop. Peers between which something is shared live
/// on the same: the destinations of a tunnel that begins here, between which a connection may choose; and all ends of a
/// tunnel with a rate. So no connection ever crosses from loop to loop. The rest is spread evenly, in the order of the
/// configuration.
struct LoopPlan: Equatable {
    /// The number of event loops: at most one for each group of peers that must be together.
    let loopCount: Int
    /// The loop of each peer, by name.
    let loopByPeer: [String: Int]

    /// More would not help: the network is the limit long before. Also the connection id has one byte for it.
    static let maximumLoops = 16

    /// The plan for a valid configuration on a host with so many cores.
    init(_ configuration: GatewayConfiguration, coreCount: Int) {
        let names = configuration.peers.map(\.name)
        var leader = Dictionary(names.map { ($0, $0) }, uniquingKeysWith: { first, _ in first })
        func root(_ name: String) -> String {
            var name = name
            while let next = leader[name], next != name { name = next }
            return name
        }
        for tunnel in configuration.tunnels {
            let together = Self.togetherness(tunnel, at: configuration.name).filter { leader[$0] != nil }
            for name in together.dropFirst() { leader[root(name)] = root(together[0]) }
        }
        let groups = Dictionary(grouping: names, by: root)
        let wanted = configuration.limits.threads ?? coreCount
        loopCount = max(1, min(wanted, groups.count, Self.maximumLoops))
        var counts = [Int](repeating: 0, count: loopCount)
        var result: [String: Int] = [:]
        for name in names where result[name] == nil {
            let group = groups[root(name)] ?? [name]
            let loop = counts.indices.min { counts[$0] < counts[$1] } ?? 0
            counts[loop] += group.count
            for member in group { result[member] = loop }
        }
        loopByPeer = result
    }

    /// The gateways of a tunnel whose channels must be on one loop.
    private static func togetherness(_ tunnel: GatewayConfiguration.Tunnel, at name: String) -> [String] {
        // One limiter counts what all of them send, without locks.
        if tunnel.maximumRate != nil { return tunnel.origins.map(\.gateway) + tunnel.destinations.map(\.gateway) }
        return tunnel.origins.contains { $0.gateway == name } ? tunnel.destinations.map(\.gateway) : []
    }

    /// The loop that has a tunnel's origin: that of its destinations.
    func loop(ofOrigin tunnel: GatewayConfiguration.Tunnel) -> Int {
        tunnel.destinations.lazy.compactMap { loopByPeer[$0.gateway] }.first ?? 0
    }
}
