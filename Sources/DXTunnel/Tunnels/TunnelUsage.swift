import DXWire
import NIOCore

/// Counts of one end of one tunnel on one event loop, to which it is bound, and what keeps it within its limits, which may
/// change under open connections.
///
/// "From the client" is from the application towards this gateway at an origin, from the target at a destination.
final class TunnelUsage {
    /// What every connection asks before it sends; nil in a tunnel without a rate.
    private(set) var limiter: TunnelLimiter?
    /// Ends connections that are idle for too long.
    let idle = IdleWatch()
    /// For how long its connections are kept while the other gateway is silent; nil: no longer than others.
    private(set) var hold: Interval?
    private(set) var open = 0
    private(set) var total: UInt64 = 0
    private(set) var bytesIn: UInt64 = 0
    private(set) var bytesOut: UInt64 = 0
    private(set) var refused: UInt64 = 0
    /// The same by reason; reasons that never occurred are absent.
    private(set) var refusals: [RefusalReason: UInt64] = [:]
    var lastError: String?
    private let ofTunnel: ConnectionCount
    private let ofGateway: ConnectionCount
    private var name: String
    private let events: EventHub?

    /// No connections yet; the counts are those over all event loops.
    init(
        name: String = "", ofTunnel: ConnectionCount, ofGateway: ConnectionCount, limiter: TunnelLimiter? = nil,
        hold: Interval? = nil, events: EventHub? = nil
    ) {
        self.name = name
        self.events = events
        self.hold = hold
        self.limiter = limiter
        self.ofTunnel = ofTunnel
        self.ofGateway = ofGateway
    }

    /// The tunnel has these limits from now on. Connections that are open go on: under the new rate, and also when more are
    /// open than new ones may be.
    func update(_ tunnel: GatewayConfiguration.Tunnel, on eventLoop: any EventLoop) {
        name = tunnel.name
        ofTunnel.maximum = tunnel.maximumConnections
        hold = tunnel.hold.map { Interval($0) }
        // Of a UDP tunnel its own table ends idle flows, and datagrams over the rate are dropped (`DatagramPolicer`).
        guard tunnel.networkProtocol == .tcp else { return }
        idle.update(tunnel.idleTimeout, on: eventLoop)
        switch (limiter, tunnel.maximumRate) {
        case (nil, nil): break
        case (nil, let rate?): limiter = TunnelLimiter(bitsPerSecond: rate, on: eventLoop)
        case (let limiter?, let rate?): limiter.setRate(bitsPerSecond: rate)
        case (let old?, nil):
            // First, so that whoever is let go does not ask it again.
            limiter = nil
            old.release()
        }
    }

    /// The tunnel, or the gateway, ends.
    func cancel() {
        limiter?.cancel()
        idle.cancel()
    }

    /// Whether neither the tunnel nor the gateway has as many connections as it may have.
    var hasRoom: Bool { ofTunnel.hasRoom && ofGateway.hasRoom }

    /// A connection began.
    func opened() {
        ofTunnel.opened()
        ofGateway.opened()
        open += 1
        total &+= 1
    }
    /// A connection ended.
    func closed() {
        ofTunnel.closed()
        ofGateway.closed()
        open -= 1
    }
    /// Bytes came from the application beside this gateway.
    func countFromClient(_ count: Int) { bytesIn &+= UInt64(count) }
    /// Bytes went to the application beside this gateway.
    func countToClient(_ count: Int) { bytesOut &+= UInt64(count) }
    /// A connection or an activation failed.
    func refuse(_ reason: String, as counted: RefusalReason) {
        refused &+= 1
        refusals[counted, default: 0] &+= 1
        events?.noteRefusal(tunnel: name, reason: counted)
        lastError = reason
    }
}

@available(*, unavailable)
extension TunnelUsage: Sendable {}
