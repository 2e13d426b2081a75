import DXMatch
import DXSecure
import DXWire
import Logging
import NIOCore

/// What `PunchDriver` has others do.
protocol PunchHost: AnyObject {
    /// This gateway.
    var ownID: GatewayID { get }
    /// Makes a datagram of a check; nil when the secret is gone.
    func seal(_ check: RawSpan, to receiver: GatewayID, under veil: VeilNumber?) -> [UInt8]?
    /// Sends a datagram from this address and port of ours; nil leaves it to the routing table.
    func send(_ datagram: RawSpan, to remote: Endpoint, from local: Endpoint?)
    /// Opens so many sockets beside the one at `base`, as many as can be had; where they are.
    func openSockets(_ count: Int, beside base: Endpoint) -> [Endpoint]
    /// These sockets are not needed any more, unless a session uses one by now.
    func closeSockets(_ sockets: [Endpoint])
    /// A way to the peer was found, or a better one.
    func onWay(to peer: GatewayID, from base: Endpoint, to remote: Endpoint, priority: UInt64)
    /// The introduction is over: `failure` says why without a way.
    func onPunchEnded(with peer: GatewayID, _ failure: String?)
    /// Whether a peer is still to be reached.
    func isSearched(_ peer: GatewayID) -> Bool
    /// Something will be due then.
    func noteDeadline(_ deadline: Instant)
}

/// What `MatchAgent` has others do and tell: a running gateway, or one that joins.
protocol MatchHost: PunchHost {
    /// The way onto its event loop.
    var gate: LoopGate { get }
    var logger: Logger { get }
    /// Where the sockets are bound.
    var boundEndpoints: [Endpoint] { get }
    /// How often registrations are refreshed.
    var matchKeepalive: Interval { get }
    /// Whether others on this host are found at its own addresses, whoever says so: tests.
    var allowsLoopback: Bool { get }
    /// Channels are to be kept alive so often at least, as the network forgets.
    func setChannelKeepalive(_ interval: Interval)
    /// This gateway's own matchmaker, and where it is found from here; nil where it is none.
    var ownMatchmaker: (pin: GatewayID, endpoints: [Endpoint])? { get }
    /// Whether routers are asked for a port.
    var mapsPorts: Bool { get }
    /// Whether there is a socket for an IP version.
    func canSend(to family: Endpoint.Family) -> Bool
    /// The time now, never earlier than any given before.
    func currentTime() -> Instant
    /// A number by chance.
    func chance() -> UInt64
    /// The key of a gateway that this one may be connected with; nil for any other.
    func key(ofPeer peer: GatewayID) -> PublicKey?
    /// The secret of an epoch that the group has had; nil when it is not held.
    func veil(ofEpoch number: UInt64) -> VeilNumber?
    /// Whether a gateway that nobody knows may be let in: there are open invitations.
    var takesJoiners: Bool { get }
    /// What to call a peer in words.
    func name(of peer: GatewayID) -> String
    /// A ticket of the run before for the matchmaker with this pin and this match key; it is given once.
    func takeTicket(of pin: GatewayID, _ matchKey: PublicKey) -> MatchTicket?
    /// Some ticket changed.
    func noteTicket()
}

extension MatchHost {
    var eventLoop: any EventLoop { gate.eventLoop }
}
