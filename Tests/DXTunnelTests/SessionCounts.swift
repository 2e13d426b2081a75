import DXSecure
import DXStream
import DXWire

@testable import DXTunnel

/// What one gateway of a pair has of sessions.
struct SessionCounts: Sendable {
    /// Sessions of the channel.
    var attached: Int
    /// Sessions that receive.
    var registered: Int
    /// The path in use.
    var active: PathID?
    /// Handshakes that ever succeeded.
    var established: UInt64
    /// The channel is silent.
    var isSuspended: Bool

    init(_ core: GatewayCore) {
        let channel = core.peers[0].channel
        attached = channel?.sessions.count ?? 0
        registered = core.sessionsByID.count
        active = channel?.transport.activePath
        established = core.secure.statistics.handshakesEstablished
        isSuspended = channel?.isSuspended ?? true
    }
}
