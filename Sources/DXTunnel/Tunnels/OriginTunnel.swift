import DXStream
import DXWire
import Logging
import NIOCore

/// The origin end of a tunnel: the local listeners, and which destinations have activated it. Bound to the gateway's event
/// loop.
final class OriginTunnel {
    let name: String
    let usage: TunnelUsage
    /// The names of the destinations, in order of preference.
    let destinations: [String]
    private(set) var listeners: [TCPListener] = []
    private let core: GatewayCore
    private let streamClass: StreamClass
    private let share: Int
    private var active: [Activation] = []
    private var failure: String?
    /// Anyone who can connect to a listener can have a connection refused.
    private var complaints = ComplaintLimit()

    /// A destination that has a listener block for the tunnel.
    private struct Activation {
        var channel: PeerChannel
        var internalPort: UInt32
        /// The channel is silent: nothing new is sent there until it is heard again.
        var isSuspended = false
    }

    init(_ tunnel: GatewayConfiguration.Tunnel, core: GatewayCore) {
        name = tunnel.name
        destinations = tunnel.destinations.map(\.gateway)
        streamClass = tunnel.schedulingClass == .interactive ? .interactive : .bulk
        share = tunnel.share
        usage = core.share.usage(of: tunnel, limiter: core.limiter(for: tunnel))
        self.core = core
    }

    /// Takes a local address. Throws `GatewayError.listen`.
    func reserve(_ address: HostAddress, endpoint: Endpoint) throws(GatewayError) {
        listeners.append(try TCPListener(address, endpoint: endpoint))
    }

    /// Whether a destination has activated it.
    var isActive: Bool { active.contains { !$0.isSuspended } }
    /// Why it cannot listen, if so.
    var failureText: String? { failure }

    // MARK: Activation

    /// The channel to a peer is up: ask it for its listener block, if it is a destination.
    func onChannelUp(_ channel: PeerChannel) {
        if destinations.contains(channel.peer.name) { channel.activate(self) }
    }

    /// The destination has a listener block.
    func onActivated(by channel: PeerChannel, internalPort: UInt32) {
        active.removeAll { $0.channel === channel }
        active.append(Activation(channel: channel, internalPort: internalPort))
        active.sort { rank($0) < rank($1) }
        usage.lastError = nil
        open()
    }

    private func rank(_ activation: Activation) -> Int {
        destinations.firstIndex(of: activation.channel.peer.name) ?? destinations.count
    }

    /// The destination will have none.
    func onRefused(by channel: PeerChannel, reason: String) {
        usage.lastError = "\(channel.peer.name): \(reason)"
        onChannelDown(channel)
    }

    /// The destination withdrew its block; true when it was this tunnel's.
    func onDeactivated(internalPort: UInt32, by channel: PeerChannel, reason: String) -> Bool {
        guard active.contains(where: { $0.channel === channel && $0.internalPort == internalPort }) else {
            return false
        }
        onRefused(by: channel, reason: reason)
        return true
    }

    /// The channel to a destination ended.
    func onChannelDown(_ channel: PeerChannel) {
        active.removeAll { $0.channel === channel }
        closeUnlessActive()
    }

    /// The channel to a destination went silent, or is heard again. While it is silent new clients are refused; connections
    /// that are open wait for it.
    func setSuspended(_ isSuspended: Bool, _ channel: PeerChannel) {
        for index in active.indices where active[index].channel === channel {
            active[index].isSuspended = isSuspended
        }
        if isActive { open() } else { closeUnlessActive() }
    }

    private func closeUnlessActive() {
        guard !isActive else { return }
        for listener in listeners { listener.close() }
    }

    private func open() {
        failure = nil
        let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
        for listener in listeners {
            listener.open(
                on: core.eventLoop, receiveAllocator: TCPBridge.receiveAllocator(usage),
                accepted: { bound.value.accept($0) },
                failed: { reason in
                    bound.value.failure = reason
                    bound.value.usage.lastError = reason
                    bound.value.core.logger.error(
                        "listener failed", metadata: ["tunnel": "\(bound.value.name)", "error": "\(reason)"])
                })
        }
    }

    /// Gives the local addresses up.
    func release() { for listener in listeners { listener.release() } }

    // MARK: Connections

    /// A client connected.
    private func accept(_ tcp: any Channel) -> EventLoopFuture<Void> {
        do {
            try connect { channel, id in
                let bridge = TCPBridge(channel: channel, id: id, usage: self.usage)
                try? tcp.pipeline.syncOperations.addHandler(bridge)
                return .tcp(bridge)
            }
        } catch {
            usage.refuse("\(error)")
            core.complain("connection refused", ["tunnel": name, "reason": "\(error)"], limit: &complaints)
            TCPReset.close(tcp)
        }
        return tcp.eventLoop.makeSucceededVoidFuture()
    }

    /// Opens a stream to the best destination.
    func connect(_ makeOwner: (PeerChannel, StreamID) -> PeerChannel.StreamOwner) throws(GatewayError) {
        guard usage.hasRoom else { throw .connectionLimit(name) }
        guard let destination = active.first(where: { !$0.isSuspended }) else {
            throw .notConnected(destinations.first ?? name)
        }
        do throws(StreamError) {
            _ = try destination.channel.openStream(
                internalPort: destination.internalPort, streamClass: streamClass, share: share
            ) { id in makeOwner(destination.channel, id) }
        } catch {
            throw error == .streamLimit ? .connectionLimit(name) : .notConnected(destination.channel.peer.name)
        }
    }
}

@available(*, unavailable)
extension OriginTunnel: Sendable {}
