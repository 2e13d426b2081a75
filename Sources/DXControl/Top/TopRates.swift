import DXTunnel

/// What went on between two snapshots of one gateway.
struct TopRates: Sendable, Hashable {
    /// Of a peer.
    struct Peer: Sendable, Hashable {
        /// UDP payload bytes a second to it; nil when that cannot be told.
        var sent: Double?
        /// And from it.
        var received: Double?
        /// The part of the packets sent that were found lost, 0 to 1; nil when none were sent, or it cannot be told.
        var loss: Double?
    }

    /// Of a tunnel's end.
    struct Tunnel: Sendable, Hashable {
        /// Application bytes a second towards the target; nil when that cannot be told.
        var toTarget: Double?
        /// And towards the client.
        var toClient: Double?
        /// Connections made a second.
        var connections: Double?
    }

    /// Which end of which tunnel.
    struct End: Sendable, Hashable {
        var name: String
        var role: TunnelStatus.Role

        init(_ tunnel: TunnelStatus) { (name, role) = (tunnel.name, tunnel.role) }
    }

    /// The time between the two in seconds; 0 when there is nothing to compare.
    let seconds: Double
    private let peers: [String: Peer]
    private let tunnels: [End: Tunnel]

    /// Compares two snapshots. With none before, or of a gateway that was started anew meanwhile, nothing can be told.
    ///
    /// The gateway's uptime is the clock: it does not jump, and what the answers take on their way does not count.
    init(from before: GatewayStatus?, to now: GatewayStatus) {
        guard let before, before.id == now.id, now.uptimeSeconds > before.uptimeSeconds else {
            (seconds, peers, tunnels) = (0, [:], [:])
            return
        }
        let seconds = now.uptimeSeconds - before.uptimeSeconds
        /// Nil for a counter that began anew.
        func rate(_ old: UInt64, _ new: UInt64) -> Double? { new >= old ? Double(new - old) / seconds : nil }
        let oldPeers = Dictionary(before.peers.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        let oldTunnels = Dictionary(before.tunnels.map { (End($0), $0) }, uniquingKeysWith: { first, _ in first })
        self.seconds = seconds
        peers = Dictionary(
            now.peers.compactMap { peer in
                guard let old = oldPeers[peer.id] else { return nil }
                return (
                    peer.id,
                    Peer(
                        sent: rate(old.bytesSent, peer.bytesSent),
                        received: rate(old.bytesReceived, peer.bytesReceived),
                        loss: Self.loss(old.counters, peer.counters))
                )
            }, uniquingKeysWith: { first, _ in first })
        tunnels = Dictionary(
            now.tunnels.compactMap { tunnel in
                guard let old = oldTunnels[End(tunnel)] else { return nil }
                return (
                    End(tunnel),
                    Tunnel(
                        toTarget: rate(old.bytesToTarget, tunnel.bytesToTarget),
                        toClient: rate(old.bytesToClient, tunnel.bytesToClient),
                        connections: rate(old.totalConnections, tunnel.totalConnections))
                )
            }, uniquingKeysWith: { first, _ in first })
    }

    /// The counters are those of the path in use, and begin anew with another one.
    private static func loss(_ old: [String: UInt64], _ new: [String: UInt64]) -> Double? {
        guard let oldSent = old["packets_sent"], let sent = new["packets_sent"], sent > oldSent,
            let oldLost = old["packets_lost"], let lost = new["packets_lost"], lost >= oldLost
        else { return nil }
        return min(1, Double(lost - oldLost) / Double(sent - oldSent))
    }

    /// What went on with a peer.
    func peer(_ peer: PeerStatus) -> Peer { peers[peer.id] ?? Peer() }

    /// What went on with a tunnel's end.
    func tunnel(_ tunnel: TunnelStatus) -> Tunnel { tunnels[End(tunnel)] ?? Tunnel() }
}
