import DXWire
import Testing

@testable import DXSecure

/// Veiled messages for peers and attempts of another event loop of the same gateway.
@Suite struct OtherEventLoopTests {
    /// The messages of a whole handshake, until one comes to an endpoint that does not have the peer.
    @Test func whatAPeerOfAnotherLoopBeginsIsHandedOver() throws {
        let pair = try Pair()
        let other = try otherLoop(of: pair.b, in: pair)
        other.secure.peersElsewhere = [pair.a.identity.gatewayID: 2]
        try pair.connect()
        let hello = try pair.a.drain(now: pair.now).first.orFail("no HELLO")
        #expect(other.receive(hello.bytes, from: hello.from, now: pair.now) == .otherShard(2))
        #expect(pair.b.receive(hello.bytes, from: hello.from, now: pair.now) == .taken)
        let challenge = try pair.b.drain(now: pair.now).first.orFail("no CHALLENGE")
        #expect(pair.a.receive(challenge.bytes, from: challenge.from, now: pair.now) == .taken)
        let connect = try pair.a.drain(now: pair.now).first.orFail("no CONNECT")
        #expect(other.receive(connect.bytes, from: connect.from, now: pair.now) == .otherShard(2))
        #expect(pair.b.receive(connect.bytes, from: connect.from, now: pair.now) == .taken)
        pair.settle()
        _ = pair.run { !pair.a.established.isEmpty && !pair.b.established.isEmpty }
        // A HANDSHAKE names the connection id.
        let last = try pair.a.sent.last { $0.bytes != connect.bytes }.orFail("no HANDSHAKE")
        #expect(other.receive(last.bytes, from: last.from, now: pair.now) == .otherShard(2))
        // It said and kept nothing, and counted nothing.
        #expect(other.drain(now: pair.now).isEmpty && other.secure.handshakesInProgress == 0)
        #expect(other.secure.statistics.dropped == 0)
        // A copy is a copy, as at the loop that has the peer.
        #expect(other.receive(hello.bytes, from: hello.from, now: pair.now) == .dropped(.repeatedNonce))
    }

    /// A CHALLENGE says only for which attempt it is, and that names the loop.
    @Test func aChallengeGoesToTheLoopThatCalled() throws {
        let pair = try Pair()
        let other = try otherLoop(of: pair.a, in: pair)
        try pair.connect()
        let hello = try pair.a.drain(now: pair.now).first.orFail("no HELLO")
        pair.b.receive(hello.bytes, from: hello.from, now: pair.now)
        let challenge = try pair.b.drain(now: pair.now).first.orFail("no CHALLENGE")
        // With one loop there is nobody to ask.
        #expect(other.receive(challenge.bytes, from: challenge.from, now: pair.now) == .dropped(.unknownAttempt))
        let second = try otherLoop(of: pair.a, in: pair)
        second.secure.peersElsewhere = [pair.b.identity.gatewayID: 1]
        #expect(second.receive(challenge.bytes, from: challenge.from, now: pair.now) == .otherShard(1))
        #expect(pair.a.receive(challenge.bytes, from: challenge.from, now: pair.now) == .taken)
    }

    /// The limits of all loops together are those of one.
    @Test func limitsAreParted() {
        var whole = SecureConfiguration()
        whole.maximumHandshakes = 256
        whole.totalSignatureChecksPerSecond = 1_000
        #expect(whole.part(of: 1).maximumHandshakes == 256 && whole.part(of: 4).maximumHandshakes == 64)
        #expect(whole.part(of: 4).totalSignatureChecksPerSecond == 250)
        #expect(whole.part(of: 16).maximumHandshakes == 32 && whole.part(of: 0).maximumHandshakes == 256)
        whole.maximumHandshakes = 1
        #expect(whole.part(of: 4).maximumHandshakes == 1)
    }

    /// Another event loop of the same gateway, which has no peers.
    private func otherLoop(of node: Node, in pair: Pair) throws -> Node {
        try Node(
            node.identity, at: node.address,
            SecureEndpoint(identity: node.identity, veil: [pair.veil], knownPeers: [], shard: 0, seed: 3))
    }
}
