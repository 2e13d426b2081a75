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
    /// How often the connection ids of the newest session changed, and how many lead to it now.
    var idChanges: UInt32
    var ids: Int
    /// The channel is silent.
    var isSuspended: Bool

    init(_ core: GatewayCore) {
        let channel = core.peers[0].channel
        attached = channel?.sessions.count ?? 0
        registered = core.sessions.count
        active = channel?.transport.activePath
        established = core.secure.statistics.handshakesEstablished
        idChanges = channel?.sessionInUse?.session.idChanges ?? 0
        ids = channel?.sessionInUse?.ids.count ?? 0
        isSuspended = channel?.isSuspended ?? true
    }
}
