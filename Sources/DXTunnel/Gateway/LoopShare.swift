import DXSecure
import DXWire

/// What one event loop of a gateway is given, and what all of them have in common.
struct LoopShare: Sendable {
    /// Its number, from 0.
    let number: Int
    let plan: LoopPlan
    /// A number of this run of the gateway, by which peers notice that it restarted; the same for all loops.
    let bootID: UInt64
    /// The connections of the gateway.
    let connections: ConnectionCount
    /// What all event loops hold.
    let memory: MemoryUse
    /// Those of each tunnel, by name; a gateway is one end of a tunnel only.
    let tunnelConnections: [String: ConnectionCount]
    /// The gateway's audit records; nil where none are kept.
    let audit: AuditLog?
    /// The rehearsal that the gateway may have.
    let rehearsals: RehearsalSlot
    /// What happens, for who watches.
    let events: EventHub

    /// One for each event loop.
    static func all(
        _ configuration: GatewayConfiguration, plan: LoopPlan, audit: AuditLog? = nil,
        rehearsals: RehearsalSlot = RehearsalSlot(), events: EventHub = EventHub()
    ) -> [LoopShare] {
        let bootID = SecureRandom.next()
        let connections = ConnectionCount(maximum: configuration.limits.connections)
        let memory = MemoryUse()
        let tunnels = Dictionary(
            configuration.tunnels.map { ($0.name, ConnectionCount(maximum: $0.maximumConnections)) },
            uniquingKeysWith: { first, _ in first })
        return (0..<plan.loopCount).map {
            LoopShare(
                number: $0, plan: plan, bootID: bootID, connections: connections, memory: memory,
                tunnelConnections: tunnels, audit: audit, rehearsals: rehearsals, events: events)
        }
    }

    /// The counts of this gateway's end of a tunnel.
    func usage(of tunnel: GatewayConfiguration.Tunnel, limiter: TunnelLimiter?) -> TunnelUsage {
        // Those of a group come later, and the gateway has one event loop then.
        let count = tunnelConnections[tunnel.name] ?? ConnectionCount(maximum: tunnel.maximumConnections)
        return TunnelUsage(
            name: tunnel.name, ofTunnel: count, ofGateway: connections, limiter: limiter,
            hold: tunnel.hold.map { Interval($0) }, events: events)
    }

    /// Whether a peer is this loop's.
    func has(_ peer: GatewayConfiguration.Peer) -> Bool { plan.loopByPeer[peer.name] == number }
}
