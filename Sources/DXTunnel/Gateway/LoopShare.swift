import DXSecure

/// What one event loop of a gateway is given, and what all of them have in common.
struct LoopShare: Sendable {
    /// Its number, from 0.
    let number: Int
    let plan: LoopPlan
    /// A number of this run of the gateway, by which peers notice that it restarted; the same for all loops.
    let bootID: UInt64
    /// The connections of the gateway.
    let connections: ConnectionCount
    /// Those of each tunnel that begins here, by name.
    let originConnections: [String: ConnectionCount]
    /// Those of each tunnel that ends here.
    let destinationConnections: [String: ConnectionCount]

    /// One for each event loop.
    static func all(_ configuration: GatewayConfiguration, plan: LoopPlan) -> [LoopShare] {
        func counts() -> [String: ConnectionCount] {
            Dictionary(
                configuration.tunnels.map { ($0.name, ConnectionCount(maximum: $0.maximumConnections)) },
                uniquingKeysWith: { first, _ in first })
        }
        let (bootID, origins, destinations) = (SecureRandom.next(), counts(), counts())
        let connections = ConnectionCount(maximum: configuration.limits.connections)
        return (0..<plan.loopCount).map {
            LoopShare(
                number: $0, plan: plan, bootID: bootID, connections: connections, originConnections: origins,
                destinationConnections: destinations)
        }
    }

    /// The counts of a tunnel that begins here.
    func originUsage(_ tunnel: GatewayConfiguration.Tunnel, limiter: TunnelLimiter?) -> TunnelUsage {
        usage(originConnections[tunnel.name], limiter)
    }

    /// The counts of a tunnel that ends here.
    func destinationUsage(_ tunnel: GatewayConfiguration.Tunnel, limiter: TunnelLimiter?) -> TunnelUsage {
        usage(destinationConnections[tunnel.name], limiter)
    }

    private func usage(_ count: ConnectionCount?, _ limiter: TunnelLimiter?) -> TunnelUsage {
        guard let count else { preconditionFailure("every tunnel of the configuration has a count") }
        return TunnelUsage(ofTunnel: count, ofGateway: connections, limiter: limiter)
    }

    /// Whether a peer is this loop's.
    func has(_ peer: GatewayConfiguration.Peer) -> Bool { plan.loopByPeer[peer.name] == number }
}
