import DXSecure
import DXWire

/// What `PunchDriver` has others do: a running gateway, or one that joins.
protocol PunchHost: AnyObject {
    /// This gateway.
    var ownID: GatewayID { get }
    /// Makes a datagram of a check; nil when the secret is gone.
    func seal(_ check: RawSpan, to receiver: GatewayID, under veil: VeilNumber?) -> [UInt8]?
    /// Sends a datagram from this address and port of ours.
    func send(_ datagram: [UInt8], to remote: Endpoint, from local: Endpoint)
    /// Opens so many sockets beside the one at `base`, as many as can be had; where they are.
    func openSockets(_ count: Int, beside base: Endpoint) -> [Endpoint]
    /// These sockets are not needed any more, unless a session uses one by now.
    func closeSockets(_ sockets: [Endpoint])
    /// A way to the peer was found, or a better one.
    func onWay(to peer: GatewayID, from base: Endpoint, to remote: Endpoint, priority: UInt64)
    /// The introduction is over: `failure` says why without a way.
    func onPunchEnded(with peer: GatewayID, _ failure: String?)
    /// Something will be due then.
    func noteDeadline(_ deadline: Instant)
}
