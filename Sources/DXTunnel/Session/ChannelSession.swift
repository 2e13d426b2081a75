import DXSecure
import DXWire

/// One established session: its keys, its two addresses, and how far its BIND has come.
///
/// Bound to the gateway's event loop.
final class ChannelSession {
    let session: DTLSSession
    /// The address that datagrams go to.
    var remote: Endpoint { didSet { channel?.noteEnds(of: self) } }
    /// The address of ours that they come from; nil leaves it to the routing table.
    var local: Endpoint? { didSet { channel?.noteEnds(of: self) } }
    /// The interface that they leave through, beside the address (`NetworkSnapshot.exit`); 0 leaves it to the routing table.
    var exit: UInt32 = 0
    /// A new remote address that is being proved.
    var candidate: Endpoint?
    /// The address of ours that the candidate sent to.
    var candidateLocal: Endpoint?
    var bind: BindExchange
    /// The session's number in its channel: chosen by the initiator, learned by the responder from the BIND.
    var pathID: PathID
    /// The channel that it was attached to.
    var channel: PeerChannel?
    /// When it was established.
    let since: Instant
    /// The connection ids that lead to it, and the count of changes that they are of.
    var ids: [ConnectionID] = []
    var idChanges: UInt32 = 0

    init(session: DTLSSession, bind: BindExchange, pathID: PathID, since: Instant) {
        self.session = session
        self.bind = bind
        self.pathID = pathID
        self.since = since
        remote = session.remote
        local = session.local
    }
}

@available(*, unavailable)
extension ChannelSession: Sendable {}
