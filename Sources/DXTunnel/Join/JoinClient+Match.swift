import DXMatch
import DXSecure
import DXSocket
import DXWire
import NIOCore

/// One that joins looks for its inviter as gateways look for each other.
extension JoinClient: MatchHost {
    var ownID: GatewayID { identity.gatewayID }
    var boundEndpoints: [Endpoint] { socket?.localEndpoints ?? [] }
    var matchKeepalive: Interval { .seconds(25) }
    var takesJoiners: Bool { false }
    var allowsLoopback: Bool { false }
    var ownMatchmaker: (pin: GatewayID, endpoints: [Endpoint])? { nil }
    // By the time a router has answered it has mostly joined.
    var mapsPorts: Bool { false }

    func canSend(to family: Endpoint.Family) -> Bool { boundEndpoints.contains { $0.family == family } }

    // Its only channel ends with the answer.
    func setChannelKeepalive(_ interval: Interval) {}

    func chance() -> UInt64 { SecureRandom.next() }

    func key(ofPeer peer: GatewayID) -> PublicKey? { peer == inviter ? token.inviter : nil }

    // It knows none.
    func veil(ofEpoch number: UInt64) -> VeilNumber? { nil }

    func isSearched(_ peer: GatewayID) -> Bool { peer == inviter }

    // It joins once.
    func takeTicket(of pin: GatewayID, _ matchKey: PublicKey) -> MatchTicket? { nil }

    func noteTicket() {}

    func name(of peer: GatewayID) -> String { peer == inviter ? "the inviter" : peer.text }

    func seal(_ check: RawSpan, to receiver: GatewayID, under veil: VeilNumber?) -> [UInt8]? {
        secure.seal(check: check, to: receiver, under: veil)
    }

    func send(_ datagram: RawSpan, to remote: Endpoint, from local: Endpoint?) {
        let source = local?.family == remote.family ? local : nil
        sender(for: local)?.append(
            to: remote, from: source, ecn: .notECT, maximumByteCount: datagram.byteCount
        ) { $0.write(datagram) }
        scheduleTurn()
    }

    /// The sender of the socket with the port of this address of ours.
    func sender(for local: Endpoint?) -> DatagramSender? { outlets.sender(for: local) ?? socket?.sender }

    func openSockets(_ count: Int, beside base: Endpoint) -> [Endpoint] {
        outlets.open(count, beside: base, bufferByteCount: 64 << 10, on: eventLoop, handler: self)
    }

    // They are few, and it is over soon.
    func closeSockets(_ sockets: [Endpoint]) {}

    func onWay(to peer: GatewayID, from base: Endpoint, to remote: Endpoint, priority: UInt64) {
        found(remote, from: base, now: currentTime())
    }

    func onPunchEnded(with peer: GatewayID, _ failure: String?) {
        if let failure { match?.note(failure: failure, of: peer) }
    }

    /// A datagram that is no session's: a matchmaker's, a check, a handshake's.
    func receiveVeiled(_ datagram: RawSpan, from source: Endpoint, at local: Endpoint?, now: Instant) {
        if let match, match.receive(datagram, from: source, at: local, now: now) { return }
        switch secure.receiveVeiled(datagram, from: source, at: local, now: now) {
        case .check(let check):
            if let local { match?.receive(check, from: source, at: local, now: now) }
        case .taken, .dropped, .otherShard: break
        }
    }
}
