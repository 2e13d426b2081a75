import DXSecure
import DXWire

/// What neither leaves this gateway nor comes in while it is rehearsed: all that is a peer's, or its datagrams between two addresses.
/// To everything above it is as if the network lost them; nothing is told of it. Bound to the gateway's event loop.
///
/// **Costs nothing when there is none.** A session that is cut is taken out of the table by which datagrams find theirs
/// (`hidden`), so that they come to where such datagrams do that are nobody's, and only there is it asked for; what leaves is asked about
/// once for each turn of a channel (`GatewayCore.blackout(of:)`).
final class Blackout {
    /// Two addresses.
    struct Path: Hashable {
        /// The address of ours, whatever its port; nil where none is known.
        var local: Endpoint?
        /// The peer's.
        var remote: Endpoint
        /// What leaves by the routing table, without an address of ours, leaves from this one.
        var isRouted: Bool
    }

    /// Whose datagrams.
    let peer: GatewayID
    /// Between these addresses only; empty for all of the peer's, also those through other members.
    let paths: [Path]
    /// Sessions that are cut, by the connection ids of their datagrams.
    private(set) var hidden: [ConnectionID: ChannelSession] = [:]
    /// Datagrams that were not sent.
    private(set) var droppedOut: UInt64 = 0
    /// Datagrams that came and were not taken.
    private(set) var droppedIn: UInt64 = 0

    init(peer: GatewayID, paths: [Path]) {
        self.peer = peer
        self.paths = paths
    }

    /// Whether all of the peer's are.
    var isOfWholePeer: Bool { paths.isEmpty }

    /// Whether a session is cut.
    func hides(_ session: ChannelSession) -> Bool {
        session.session.peerID == peer && cutsOfPeer(session.remote, session.local)
    }

    /// Whether the datagrams of the peer between these addresses are cut.
    private func cutsOfPeer(_ remote: Endpoint, _ local: Endpoint?) -> Bool {
        isOfWholePeer
            || paths.contains { path in
                guard remote == path.remote else { return false }
                guard let own = path.local else { return true }
                return local.map(own.hasSameAddress(as:)) ?? path.isRouted
            }
    }

    /// Whether a session is cut as it is now: its datagrams do not come to it from now on. One that is not any more, as it has moved, is
    /// let go.
    func takes(_ session: ChannelSession) -> Bool {
        forget(session)
        guard hides(session) else { return false }
        for id in session.ids where hidden[id] == nil { hidden[id] = session }
        return true
    }

    /// The session is no more.
    func forget(_ session: ChannelSession) {
        for (id, other) in hidden where other === session { hidden[id] = nil }
    }

    /// The sessions that are cut, each once.
    var sessions: [ChannelSession] { hidden.compactMap { $0.value.ids.first == $0.key ? $0.value : nil } }

    // MARK: Datagrams

    /// What becomes of a datagram that is no session's.
    enum Judgement {
        /// It never came.
        case lost
        /// It is of a session that is cut, from elsewhere.
        case session(ChannelSession)
        /// It has nothing to do with the cut.
        case other
    }

    /// Judges a datagram that is no session's in the table.
    func judge(_ datagram: RawSpan, from source: Endpoint, at local: Endpoint?) -> Judgement {
        var reader = ByteReader(datagram)
        if let id = try? reader.readUInt64(), let session = hidden[ConnectionID(rawValue: id)] {
            guard cutsOfPeer(source, local) else { return .session(session) }
            droppedIn &+= 1
            return .lost
        }
        guard !isOfWholePeer, cutsOfPeer(source, local) else { return .other }
        droppedIn &+= 1
        return .lost
    }

    /// Whether a datagram of the peer's channel is lost on its way out; counts it then.
    func swallows(to remote: Endpoint, from local: Endpoint?) -> Bool {
        guard cutsOfPeer(remote, local) else { return false }
        droppedOut &+= 1
        return true
    }

    /// The same for one that leaves on a session and is no channel's.
    func swallows(on session: ChannelSession) -> Bool {
        session.session.peerID == peer && swallows(to: session.remote, from: session.local)
    }

    /// The same for one that is no session's: of a path that is cut, whoever it is for.
    func swallowsAny(to remote: Endpoint, from local: Endpoint?) -> Bool {
        !isOfWholePeer && swallows(to: remote, from: local)
    }

    /// Something of the peer's was dropped elsewhere on its way in.
    func noteDroppedIn() { droppedIn &+= 1 }
}

@available(*, unavailable)
extension Blackout: Sendable {}
