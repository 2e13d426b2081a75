import DXWire
import Testing

@testable import DXSecure

@Suite struct SecureEndpointTests {
    private let packet = Array("packet".utf8)

    @Test func handshake() throws {
        let pair = try Pair()
        let session = try pair.connect()
        #expect(pair.a.secure.handshakesInProgress == 1)
        pair.settle()
        #expect(pair.a.established.first === session)
        try pair.expectsWorkingSessions()
        #expect(session.peerID == pair.b.identity.gatewayID && session.isInitiator)
        #expect(session.remote == Pair.addressB)
        let accepted = try pair.b.established.first.orFail("no session")
        #expect(accepted.peerID == pair.a.identity.gatewayID && !accepted.isInitiator)
        #expect(accepted.remote == Pair.addressA)
        // HELLO, CONNECT, one HANDSHAKE; CHALLENGE and two HANDSHAKEs.
        #expect(pair.a.sent.count == 3 && pair.b.sent.count == 3)
        #expect(pair.a.sent[0].bytes.count == 143 && pair.b.sent[0].bytes.count == 78)
        #expect(pair.a.secure.handshakesInProgress == 0 && pair.b.secure.handshakesInProgress == 0)
        #expect(pair.a.secure.statistics.handshakesEstablished == 1)
        #expect(pair.b.secure.statistics.handshakesEstablished == 1)
        #expect(pair.b.secure.statistics.challengesSent == 1 && pair.a.secure.statistics.hellosSent == 1)
        #expect(pair.a.secure.statistics.dropped == 0 && pair.b.secure.statistics.dropped == 0)
    }

    /// A way through another member carries a whole handshake in datagrams of 1080 bytes.
    @Test func handshakeThroughAnotherMember() throws {
        let ways = [Endpoint.forwarded(number: 1), .forwarded(number: 2)]
        let pair = try Pair(at: ways)
        try pair.connect()
        pair.settle()
        try pair.expectsWorkingSessions()
        #expect(pair.a.established.first?.remote == ways[1] && pair.b.established.first?.remote == ways[0])
        let sizes = (pair.a.sent + pair.b.sent).map(\.bytes.count)
        #expect(sizes.allSatisfy { $0 <= Constants.minimumForwardedDatagram })
    }

    @Test func nothingIsKeptAfterwards() throws {
        let pair = try Pair()
        try pair.connect()
        pair.settle()
        #expect(pair.a.secure.sessions.count == 1 && pair.b.secure.sessions.count == 1)
        while pair.step() {}
        for secure in [pair.a.secure, pair.b.secure] {
            #expect(secure.sessions.isEmpty && secure.initiated.isEmpty && secure.accepted.isEmpty)
            #expect(secure.sendQueue.isEmpty && secure.nextTimeout == nil)
        }
        try pair.expectsWorkingSessions()
    }

    @Test func refusesWhatCannotWork() throws {
        let pair = try Pair()
        let stranger = try Identity.generate().gatewayID
        #expect(throws: SecureError.unknownPeer) {
            try pair.a.secure.connect(to: stranger, at: Pair.addressB, now: pair.now)
        }
        #expect(throws: SecureError.selfConnection) {
            try pair.a.secure.connect(to: pair.a.identity.gatewayID, at: Pair.addressB, now: pair.now)
        }
        #expect(throws: SecureError.unusableAddress) {
            try pair.a.secure.connect(to: pair.b.identity.gatewayID, at: Pair.addressB.withPort(0), now: pair.now)
        }
        #expect(pair.a.secure.nextTimeout == nil && pair.a.drain(now: pair.now).isEmpty)
    }

    @Test func givesUp() throws {
        let pair = try Pair()
        pair.fate = { _ in [] }
        try pair.connect()
        #expect(pair.run { !pair.a.failed.isEmpty })
        #expect(pair.a.failed == [.noAnswer])
        #expect(pair.now - Instant(nanoseconds: 1_000_000_000) == .seconds(10))
        // 150 ms doubling to 2.4 s, with jitter: after about 0, 0.2, 0.5, 1.2, 2.5, 5, 7.7 s.
        #expect((7...9).contains(pair.a.sent.count))
        #expect(Set(pair.a.sent.map(\.bytes)).count == pair.a.sent.count)
        #expect(pair.a.secure.nextTimeout == nil && pair.a.secure.handshakesInProgress == 0)
        // The next attempt works.
        pair.fate = { _ in [.zero] }
        try pair.connect()
        pair.settle()
        try pair.expectsWorkingSessions()
    }

    @Test func retransmissionWaits() throws {
        let pair = try Pair()
        pair.fate = { _ in [] }
        try pair.connect()
        pair.settle()
        var waits: [Int64] = []
        var last = pair.now
        while pair.a.failed.isEmpty {
            let count = pair.a.sent.count
            #expect(pair.step())
            guard pair.a.sent.count > count else { continue }
            waits.append((pair.now - last).milliseconds)
            last = pair.now
        }
        for (wait, base) in zip(waits, [150, 300, 600, 1_200, 2_400, 2_400] as [Int64]) {
            #expect((base...(base * 5 / 4)).contains(wait))
        }
        #expect(waits.count >= 6)
    }

    /// Every set of losses among the first six datagrams.
    @Test func losses() throws {
        for lost in 0..<64 {
            let pair = try Pair()
            pair.fate = { $0 < 6 && lost >> $0 & 1 == 1 ? [] : [.milliseconds(20)] }
            try pair.connect()
            #expect(pair.run { !pair.a.established.isEmpty && !pair.b.established.isEmpty }, "lost \(lost)")
            try pair.expectsWorkingSessions()
            #expect(pair.a.established.count == 1 && pair.b.established.count == 1)
        }
    }

    /// The responder's last flight is repeated when the initiator repeats its own.
    @Test func lostLastFlight() throws {
        let pair = try Pair()
        pair.fate = { $0 == 5 ? [] : [.zero] }
        try pair.connect()
        pair.settle()
        #expect(pair.a.established.isEmpty && pair.b.established.count == 1)
        let early = try pair.b.established[0].sealed(packet)
        let session = try pair.a.secure.sessions.values.first.orFail("no session")
        #expect(session.opened(early) == (.notEstablished, []))
        #expect(pair.run { !pair.a.established.isEmpty })
        try pair.expectsWorkingSessions()
    }

    /// An initiator that repeats itself without end is not answered without end.
    @Test func lastFlightIsRepeatedSixteenTimesAtMost() throws {
        var configuration = SecureConfiguration()
        configuration.maximumRetransmission = .milliseconds(150)
        let pair = try Pair(configuration)
        try pair.connect()
        // Deliver all but what the responder sends after it is established.
        pair.fate = { [unowned pair] _ in pair.b.established.isEmpty ? [.zero] : [] }
        pair.settle()
        let request = try pair.a.sent.last.orFail("nothing sent")
        #expect(pair.b.established.count == 1)
        let fromB = pair.b.sent.count
        var repeats = 0
        while pair.a.failed.isEmpty {
            let count = pair.a.sent.count
            guard pair.step() else { break }
            for datagram in pair.a.sent[count...] where datagram.bytes.count == request.bytes.count {
                pair.b.receive(datagram.bytes, from: Pair.addressA, now: pair.now)
                repeats += 1
            }
        }
        pair.b.drain(now: pair.now)
        #expect(repeats > 20)
        #expect(pair.b.sent.count - fromB == 16)
        #expect(pair.a.failed == [.timedOut])
    }

    @Test func duplicates() throws {
        let pair = try Pair()
        pair.fate = { _ in [.milliseconds(10), .milliseconds(10), .milliseconds(15)] }
        try pair.connect()
        #expect(pair.run { !pair.a.established.isEmpty && !pair.b.established.isEmpty })
        try pair.expectsWorkingSessions()
        while pair.step() {}
        #expect(pair.a.established.count == 1 && pair.b.established.count == 1)
        #expect(pair.a.secure.statistics[.repeatedNonce] > 0 && pair.b.secure.statistics[.repeatedNonce] > 0)
        #expect(pair.a.failed.isEmpty && pair.b.failed.isEmpty)
    }

    /// Loss, duplication, delays that reorder flights; each handshake works or its initiator says that it did not.
    @Test func trouble() throws {
        var works = 0
        for seed in 0..<60 {
            let pair = try Pair()
            var random = RandomSource(seed: UInt64(seed))
            pair.fate = { _ in
                if random.chance(0.3) { return [] }
                return (0...Int(random.below(2))).map { _ in .milliseconds(Int64(random.below(500))) }
            }
            try pair.connect()
            let isDone = pair.run {
                !pair.a.failed.isEmpty || !pair.a.established.isEmpty && !pair.b.established.isEmpty
            }
            #expect(isDone, "seed \(seed)")
            if pair.a.failed.isEmpty {
                works += 1
                try pair.expectsWorkingSessions()
            }
        }
        #expect(works >= 55)
    }

    @Test func slowPath() throws {
        let pair = try Pair()
        pair.fate = { _ in [.milliseconds(600)] }
        try pair.connect()
        #expect(pair.run { !pair.a.established.isEmpty && !pair.b.established.isEmpty })
        try pair.expectsWorkingSessions()
    }

    @Test func bothConnectAtOnce() throws {
        let pair = try Pair()
        try pair.connect()
        _ = try pair.b.secure.connect(to: pair.a.identity.gatewayID, at: Pair.addressA, now: pair.now)
        pair.settle()
        #expect(pair.a.established.count == 2 && pair.b.established.count == 2)
        for session in pair.a.established {
            let other = try pair.b.established.first { $0.isInitiator != session.isInitiator }.orFail("no other end")
            #expect(other.opened(try session.sealed(packet)) == (.opened, packet))
        }
    }

    /// The group key is being changed: one gateway has the old and the new one, the other has one of them.
    @Test func changeOfTheVeil() throws {
        let (old, new) = (VeilSecret.generate(), VeilSecret.generate())
        for (veilA, veilB) in [([old, new], [old]), ([old, new], [new]), ([old], [new, old]), ([new], [new, old])] {
            let pair = try Pair(veilA: veilA, veilB: veilB)
            try pair.connect()
            #expect(pair.run { !pair.a.established.isEmpty && !pair.b.established.isEmpty })
            try pair.expectsWorkingSessions()
        }
    }

    @Test func removedPeerFailsAtOnce() throws {
        let pair = try Pair()
        pair.fate = { _ in [] }
        try pair.connect()
        pair.settle()
        pair.a.secure.knownPeers = []
        pair.settle()
        #expect(pair.a.failed == [.removed])
        #expect(pair.a.secure.handshakesInProgress == 0 && pair.a.secure.nextTimeout == nil)
    }

    @Test func addedPeerMayConnect() throws {
        let pair = try Pair(knowsA: false)
        try pair.connect()
        pair.settle()
        #expect(pair.b.secure.statistics[.unknownPeer] == 1 && pair.b.sent.isEmpty)
        pair.b.secure.knownPeers = [pair.a.identity.gatewayID]
        #expect(pair.run { !pair.a.established.isEmpty })
        try pair.expectsWorkingSessions()
    }

    @Test func ownerClosesAHandshake() throws {
        let pair = try Pair()
        pair.fate = { _ in [] }
        let session = try pair.connect()
        pair.settle()
        session.close()
        while pair.step() {}
        #expect(pair.a.sent.count == 1)
        #expect(pair.a.failed.isEmpty && pair.a.secure.handshakesInProgress == 0)
        #expect(pair.a.secure.sessions.isEmpty)
    }

    @Test func limitOfHandshakes() throws {
        var configuration = SecureConfiguration()
        configuration.maximumHandshakes = 2
        let pair = try Pair(configuration)
        pair.fate = { _ in [] }
        let first = try pair.connect()
        try pair.connect()
        #expect(throws: SecureError.tooManyHandshakes) { try pair.connect() }
        // A closed one makes room.
        first.close()
        try pair.connect()
        #expect(throws: SecureError.tooManyHandshakes) { try pair.connect() }
        while pair.step() {}
        #expect(pair.a.failed == [.noAnswer, .noAnswer])
        pair.fate = { _ in [.zero] }
        try pair.connect()
        pair.settle()
        try pair.expectsWorkingSessions()
    }

    @Test func limitOfHandshakesAtTheResponder() throws {
        var configuration = SecureConfiguration()
        configuration.maximumHandshakes = 1
        let pair = try Pair(configuration)
        // The responder is itself trying to reach somebody who does not answer.
        let busy = try pair.b.secure.connect(
            to: pair.a.identity.gatewayID, at: Pair.addressA.withPort(9), now: pair.now)
        try pair.connect()
        pair.settle()
        #expect(pair.b.secure.statistics[.tooManyHandshakes] == 1)
        #expect(pair.b.sent.filter { $0.to == Pair.addressA }.count == 1)
        busy.close()
        #expect(pair.run { !pair.a.established.isEmpty })
        try pair.expectsWorkingSessions()
    }

    /// The responder restarts between CHALLENGE and CONNECT: its challenge is worthless, a new one is asked for.
    @Test func responderRestarts() throws {
        let pair = try Pair()
        pair.fate = { $0 < 2 ? [.milliseconds(10)] : [.milliseconds(20)] }
        try pair.connect()
        while pair.b.secure.statistics.challengesSent == 0 { #expect(pair.step()) }
        pair.b.secure = try SecureEndpoint(
            identity: pair.b.identity, veil: [pair.veil], knownPeers: [pair.a.identity.gatewayID], shard: 2, seed: 9)
        #expect(pair.run { !pair.a.established.isEmpty && !pair.b.established.isEmpty })
        #expect(pair.b.secure.statistics[.badChallenge] > 0)
        try pair.expectsWorkingSessions()
    }

    /// A NAT gives the initiator another port between HELLO and CONNECT.
    @Test func initiatorsAddressChanges() throws {
        let pair = try Pair()
        try pair.connect()
        for datagram in pair.a.drain(now: pair.now) {
            pair.b.receive(datagram.bytes, from: Pair.addressA.withPort(77), now: pair.now)
        }
        for datagram in pair.b.drain(now: pair.now) {
            pair.a.receive(datagram.bytes, from: Pair.addressB, now: pair.now)
        }
        #expect(pair.run { !pair.a.established.isEmpty && !pair.b.established.isEmpty })
        #expect(pair.b.secure.statistics[.badChallenge] > 0)
        try pair.expectsWorkingSessions()
    }

    @Test func transmitsNoMoreThanTheMinimumDatagram() throws {
        let pair = try Pair()
        _ = try pair.establish()
        for datagram in pair.a.sent + pair.b.sent { #expect(datagram.bytes.count <= Constants.minimumDatagram) }
    }
}
