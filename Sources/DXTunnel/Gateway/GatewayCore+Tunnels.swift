import DXSecure
import DXStream
import DXWire
import Logging
import NIOCore

/// The gateway's tunnels, and the commands of the embedding program. Everything on the event loop.
extension GatewayCore {
    /// The channel to a peer is up.
    func onChannelUp(_ channel: PeerChannel) {
        group?.onChannelUp(channel)
        if isDraining { channel.tellLeaving(true) }
        for tunnel in origins { tunnel.onChannelUp(channel) }
    }

    /// The channel to a peer ended.
    func onChannelDown(_ channel: PeerChannel) { for tunnel in origins { tunnel.onChannelDown(channel) } }

    /// The channel to a peer went silent, or is heard again.
    func setSuspended(_ isSuspended: Bool, _ channel: PeerChannel) {
        for tunnel in origins { tunnel.setSuspended(isSuspended, channel) }
    }

    /// Something has changed of a peer that destinations are chosen by.
    func refreshOrigins() { for tunnel in origins { tunnel.refresh() } }

    /// The longest time for which connections are kept while a peer is silent; nil when no tunnel says anything of it.
    var longestHold: Interval? { configuration.tunnels.lazy.compactMap(\.hold).max().map { Interval($0) } }

    /// When a destination of a tunnel that failed is used again.
    func failback(of tunnel: GatewayConfiguration.Tunnel) -> DestinationChoice.Failback {
        switch tunnel.failback {
        case .after(let time): .after(Interval(time))
        case .manual: .manual
        case nil: tuning.failback
        }
    }

    /// A health command of this gateway's own configuration.
    func healthCommand(_ name: String) -> GatewayConfiguration.HealthCommand? {
        group?.settings.healthCommands[name] ?? configuration.healthCommands[name]
    }

    /// A destination withdrew a listener block.
    func deactivate(internalPort: UInt32, on channel: PeerChannel, reason: String) {
        for tunnel in origins where tunnel.onDeactivated(internalPort: internalPort, by: channel, reason: reason) {
            complain(
                "tunnel withdrawn by its destination",
                ["tunnel": tunnel.name, "peer": channel.peer.name, "reason": reason],
                limit: &channel.peer.complaints)
        }
    }

    /// The tunnel that a peer may reach here, by this gateway's own file, if it is of that protocol.
    func destination(
        named name: String, of networkProtocol: GatewayConfiguration.NetworkProtocol, for peer: PeerLink
    ) -> DestinationTunnel? {
        destinations.first {
            $0.wireName == name && $0.origins.contains(peer.name) && ($0.udp != nil) == (networkProtocol == .udp)
        }
    }

    /// What the gateway's owner lets its group do; nil without a group.
    var localPolicy: LocalPolicy? { group?.settings.policy }

    /// What keeps this end of a tunnel within its rate; nil when it has none, and in UDP tunnels, whose datagrams do not wait.
    func limiter(for tunnel: GatewayConfiguration.Tunnel) -> TunnelLimiter? {
        guard tunnel.networkProtocol == .tcp else { return nil }
        return tunnel.maximumRate.map { TunnelLimiter(bitsPerSecond: $0, on: eventLoop) }
    }

    /// An internal port that nobody can guess (`docs/wire-format.md` §7).
    func secretRandomPort() -> UInt32 { UInt32(truncatingIfNeeded: SecureRandom.next()) }

    /// Opens a stream through a tunnel for the embedding program.
    func dial(_ name: String, to member: String? = nil) throws(GatewayError) -> ProgramBridge {
        guard let tunnel = origins.first(where: { $0.name == name }) else { throw .unknownTunnel(name) }
        // As its listeners, it takes no more then: whoever waits for the last connection would wait for ever.
        guard !isDraining else { throw .draining }
        var made: ProgramBridge?
        try tunnel.connect(to: member, head: StreamHead()) { channel, id, opening, compression in
            let ticket = AuditTicket(
                self, tunnel: tunnel.name, role: .origin, peer: channel.peer.name, client: "the program")
            let bridge = ProgramBridge(
                channel: channel, id: id, usage: tunnel.usage, core: self, opening: opening, compression: compression,
                ticket: ticket)
            made = bridge
            return bridge
        }
        guard let made else { preconditionFailure("connecting makes an owner or throws") }
        return made
    }

    /// Measures a round trip to a peer and back, through both gateways.
    ///
    /// - Parameter given: what the caller called it.
    func ping(_ name: String, as given: String, promise: EventLoopPromise<Interval>) {
        guard let peer = peers.first(where: { $0.name == name }) else {
            return promise.fail(GatewayError.unknownPeer(given))
        }
        guard let channel = peer.channel else { return promise.fail(GatewayError.notConnected(given)) }
        channel.ping(promise)
    }
}
