import CDXOpenSSL
import DXWire
import Testing

@testable import DXSecure

/// What strangers, and members who go against the rules, may send: each draws no answer, moves its counter, and leaves
/// an established session alive.
@Suite struct HostileDatagramTests {
    private let pair: Pair
    private let elsewhere = Endpoint(v4: 0xc633_6401, port: 4_242)

    init() throws {
        pair = try Pair()
        _ = try pair.establish()
        pair.a.established.append(try #require(pair.a.secure.sessions.values.first))
        pair.b.established.append(try #require(pair.b.secure.sessions.values.first))
    }

    /// `bytes` at the responder, from several addresses: dropped for `drop`, in silence.
    private func expectSilence(_ bytes: [UInt8], _ drop: VeilDrop, from addresses: [Endpoint]? = nil) throws {
        for address in addresses ?? [Pair.addressA, elsewhere] {
            let before = pair.b.secure.statistics[drop]
            #expect(pair.b.receive(bytes, from: address, now: pair.now) == .dropped(drop))
            #expect(pair.b.secure.statistics[drop] == before + 1)
            #expect(pair.b.drain(now: pair.now).isEmpty)
        }
    }

    /// The datagrams of one more handshake, in order, each with its sender's address.
    private func capture() throws -> [Flying] {
        let (first, second) = (pair.a.sent.count, pair.b.sent.count)
        let (a, b) = try pair.establish()
        a.close()
        b.close()
        return Array(pair.a.sent[first...] + pair.b.sent[second...])
    }

    /// A datagram sealed for the responder by somebody who has the group key.
    private func seal(_ message: [UInt8], nonce: VeilNonce = .random(), to receiver: GatewayID? = nil) throws -> [UInt8]
    {
        var veil = try Veil([pair.veil], receiver: pair.a.identity.gatewayID)
        let receiver = receiver ?? pair.b.identity.gatewayID
        return [UInt8](capacity: message.count + SecureConstants.veilOverhead) { output in
            unsafe try! veil.seal(message.span.bytes, nonce: nonce, to: receiver, veil: 0, into: &output)
        }
    }

    private func hello(
        by signer: Identity, as key: PublicKey, to receiver: GatewayID, signedNonce: VeilNonce? = nil,
        attempt: Attempt = .random()
    ) throws -> [UInt8] {
        let nonce = VeilNonce.random()
        let signed = Hello.signedBytes(receiver: receiver, nonce: signedNonce ?? nonce, attempt: attempt)
        let message = Hello(key: key, attempt: attempt, signature: try unsafe signer.sign(signed.span.bytes))
        return try seal([UInt8](capacity: 200) { message.write(to: &$0) }, nonce: nonce)
    }

    @Test func noise() throws {
        var random = RandomSource(seed: 1)
        for size in 0..<1_500 {
            let bytes = (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            try expectSilence(bytes, .notVeiled)
        }
        try pair.expectsWorkingSessions()
    }

    @Test func stunRequest() throws {
        // RFC 8489 §5: a binding request without attributes.
        try expectSilence(hex("0001 0000 2112a442 000102030405060708090a0b"), .notVeiled)
        try pair.expectsWorkingSessions()
    }

    @Test func bareClientHello() throws {
        let context = try DTLSContext(pair.a.identity, prefersChaCha: nil)
        let client = try DTLSConnection(context, isInitiator: true, peer: pair.b.identity.gatewayID)
        #expect(client.start() == .incomplete)
        let flight = client.takeFlight()
        #expect(flight.count == 1 && flight[0].starts(with: [22, 254]))
        try expectSilence(flight[0], .notVeiled)
        try pair.expectsWorkingSessions()
    }

    @Test func wrongVeil() throws {
        let other = try Pair(veilA: [VeilSecret.generate()])
        try other.connect()
        #expect(other.run { !other.a.failed.isEmpty })
        #expect(other.a.failed == [.noAnswer] && other.b.sent.isEmpty)
        #expect(other.b.secure.statistics[.notVeiled] == UInt64(other.a.sent.count))
    }

    @Test func unknownPeer() throws {
        let other = try Pair(knowsA: false)
        try other.connect()
        #expect(other.run { !other.a.failed.isEmpty })
        #expect(other.a.failed == [.noAnswer] && other.b.sent.isEmpty)
        #expect(other.b.secure.statistics[.unknownPeer] == UInt64(other.a.sent.count))
    }

    /// The initiator has the wrong id for the gateway at that address.
    @Test func wrongResponder() throws {
        let expected = try Identity.generate()
        let other = try Pair()
        other.a.secure.knownPeers = [expected.gatewayID]
        _ = try other.a.secure.connect(to: expected.gatewayID, at: Pair.addressB, now: other.now)
        #expect(other.run { !other.a.failed.isEmpty })
        #expect(other.a.failed == [.noAnswer] && other.b.sent.isEmpty)
        #expect(other.b.secure.statistics[.notVeiled] == UInt64(other.a.sent.count))
    }

    @Test func forgedHello() throws {
        let (a, b) = (pair.a.identity, pair.b.identity)
        let stranger = try Identity.generate()
        try expectSilence(hello(by: stranger, as: a.publicKey, to: b.gatewayID), .badSignature, from: [elsewhere])
        try expectSilence(hello(by: stranger, as: stranger.publicKey, to: b.gatewayID), .unknownPeer, from: [elsewhere])
        // Made for somebody else, and sealed again by them.
        try expectSilence(hello(by: a, as: a.publicKey, to: stranger.gatewayID), .badSignature, from: [elsewhere])
        // An old one in a fresh envelope.
        try expectSilence(
            hello(by: a, as: a.publicKey, to: b.gatewayID, signedNonce: .random()), .badSignature, from: [elsewhere])
        // In its own name.
        try expectSilence(hello(by: b, as: b.publicKey, to: b.gatewayID), .unknownPeer, from: [elsewhere])
        try pair.expectsWorkingSessions()
        #expect(
            pair.b.receive(try hello(by: a, as: a.publicKey, to: b.gatewayID), from: elsewhere, now: pair.now) == .taken
        )
    }

    /// A CONNECT with a good challenge, but signed by another, or for another connection id.
    @Test func forgedConnect() throws {
        let attempt = Attempt.random()
        let (a, b) = (pair.a.identity, pair.b.identity)
        let proof = pair.b.secure.challenges.make(a.gatewayID, attempt, at: elsewhere, now: pair.now)
        func connect(_ signer: Identity, signed id: UInt64) throws -> [UInt8] {
            let nonce = VeilNonce.random()
            let signed = Connect.signedBytes(
                receiver: b.gatewayID, nonce: nonce, attempt: attempt, proof: proof,
                connectionID: ConnectionID(rawValue: id))
            let message = Connect(
                key: a.publicKey, attempt: attempt, proof: proof, connectionID: ConnectionID(rawValue: 7),
                signature: try unsafe signer.sign(signed.span.bytes), datagram: PacketSlice(offset: 0, count: 0))
            return try seal(
                [UInt8](capacity: 200) { unsafe message.write([1, 2, 3].span.bytes, to: &$0) }, nonce: nonce)
        }
        try expectSilence(connect(Identity.generate(), signed: 7), .badSignature, from: [elsewhere])
        try expectSilence(connect(a, signed: 8), .badSignature, from: [elsewhere])
        try expectSilence(connect(a, signed: 7), .badChallenge, from: [Pair.addressA])
        #expect(pair.b.secure.handshakesInProgress == 0)
        #expect(pair.b.receive(try connect(a, signed: 7), from: elsewhere, now: pair.now) == .taken)
        #expect(pair.b.secure.handshakesInProgress == 1 && pair.b.drain(now: pair.now).isEmpty)
        try pair.expectsWorkingSessions()
    }

    @Test func unreadableMessages() throws {
        try expectSilence(seal([1, 1]), .malformed, from: [elsewhere])
        try expectSilence(seal([16, 1, 2]), .malformed, from: [elsewhere])
        try expectSilence(seal([6, 1]), .unknownType, from: [elsewhere])
        try expectSilence(seal([1, 2]), .unknownVersion, from: [elsewhere])
        try pair.expectsWorkingSessions()
    }

    /// A responder that never saw the captured datagrams.
    private func restartResponder() throws {
        pair.b.secure = try SecureEndpoint(
            identity: pair.b.identity, veil: [pair.veil], knownPeers: [pair.a.identity.gatewayID], shard: 2, seed: 9)
    }

    @Test func truncatedAtEveryLength() throws {
        let captured = try capture()
        try restartResponder()
        for datagram in captured {
            for count in 0..<datagram.bytes.count {
                try expectSilence(Array(datagram.bytes.prefix(count)), .notVeiled, from: [Pair.addressA])
            }
        }
        try pair.expectsWorkingSessions()
    }

    @Test func damagedAtEveryByte() throws {
        let captured = try capture()
        try restartResponder()
        for datagram in captured {
            for index in datagram.bytes.indices {
                var bytes = datagram.bytes
                bytes[index] ^= UInt8(1 << (index % 8))
                try expectSilence(bytes, .notVeiled, from: [Pair.addressA])
            }
        }
        try pair.expectsWorkingSessions()
    }

    /// Damaged copies of each datagram come before it, in the middle of a handshake: it goes on.
    @Test func damagedCopiesDuringAHandshake() throws {
        let other = try Pair()
        try other.connect()
        for _ in 0..<6 {
            for (from, to) in [(other.a, other.b), (other.b, other.a)] {
                for datagram in from.drain(now: other.now) {
                    for index in datagram.bytes.indices {
                        var bytes = datagram.bytes
                        bytes[index] ^= 0x80
                        #expect(to.receive(bytes, from: from.address, now: other.now) == .dropped(.notVeiled))
                        #expect(to.drain(now: other.now).isEmpty)
                    }
                    #expect(to.receive(datagram.bytes, from: from.address, now: other.now) == .taken)
                }
            }
        }
        try other.expectsWorkingSessions()
    }

    @Test func replayed() throws {
        for captured in try capture() where captured.to == Pair.addressB {
            try expectSilence(captured.bytes, .repeatedNonce)
        }
        try pair.expectsWorkingSessions()
    }

    /// What the initiator sent comes back to it, from the responder's address.
    @Test func reflected() throws {
        let captured = try capture()
        for datagram in captured where datagram.from == Pair.addressA {
            let before = pair.a.secure.statistics[.notVeiled]
            #expect(pair.a.receive(datagram.bytes, from: Pair.addressB, now: pair.now) == .dropped(.notVeiled))
            #expect(pair.a.secure.statistics[.notVeiled] == before + 1)
            #expect(pair.a.drain(now: pair.now).isEmpty)
        }
        try pair.expectsWorkingSessions()
    }

    /// A fresh process remembers no nonces. A captured HELLO draws one challenge, smaller than itself, and no second
    /// one; all else draws nothing.
    @Test func replayedAfterARestart() throws {
        let captured = try capture().filter { $0.to == Pair.addressB }
        for address in [Pair.addressA, elsewhere] {
            try restartResponder()
            #expect(pair.b.receive(captured[0].bytes, from: address, now: pair.now) == .taken)
            let answers = pair.b.drain(now: pair.now)
            #expect(answers.count == 1 && answers[0].to == address)
            #expect(answers[0].bytes.count < captured[0].bytes.count)
            try expectSilence(captured[0].bytes, .repeatedNonce)
            try expectSilence(captured[1].bytes, .badChallenge, from: [address])
            try expectSilence(captured[2].bytes, .unknownSession, from: [address])
            #expect(pair.b.secure.handshakesInProgress == 0 && pair.b.secure.nextTimeout == nil)
        }
    }

    /// Somebody on the path is faster than the real datagram, from another address.
    @Test func connectFromAnotherAddress() throws {
        let other = try Pair()
        try other.connect()
        other.a.drain(now: other.now).forEach { other.b.receive($0.bytes, from: $0.from, now: other.now) }
        other.b.drain(now: other.now).forEach { other.a.receive($0.bytes, from: $0.from, now: other.now) }
        let connect = try other.a.drain(now: other.now).first.orFail("no CONNECT")
        for address in [elsewhere, Pair.addressA.withPort(1)] {
            #expect(other.b.receive(connect.bytes, from: address, now: other.now) != .taken)
            #expect(other.b.drain(now: other.now).isEmpty)
        }
        #expect(other.b.secure.statistics[.badChallenge] == 1 && other.b.secure.statistics[.repeatedNonce] == 1)
        #expect(other.run { !other.a.established.isEmpty })
        try other.expectsWorkingSessions()
    }

    @Test func lateConnect() throws {
        for (seconds, works) in [(9, true), (21, false)] as [(Int64, Bool)] {
            let other = try Pair()
            try other.connect()
            other.a.drain(now: other.now).forEach { other.b.receive($0.bytes, from: $0.from, now: other.now) }
            other.b.drain(now: other.now).forEach { other.a.receive($0.bytes, from: $0.from, now: other.now) }
            let connect = try other.a.drain(now: other.now).first.orFail("no CONNECT")
            other.now += .seconds(seconds)
            let outcome = other.b.receive(connect.bytes, from: connect.from, now: other.now)
            #expect(outcome == (works ? .taken : .dropped(.badChallenge)))
            #expect(other.b.drain(now: other.now).isEmpty == !works)
        }
    }

    @Test func strayMessages() throws {
        let session = try pair.b.established.last.orFail("no session")
        func handshake(_ destination: UInt64, _ source: UInt64) throws -> [UInt8] {
            let message = Handshake(
                destination: ConnectionID(rawValue: destination), source: ConnectionID(rawValue: source),
                datagram: PacketSlice(offset: 0, count: 0))
            return try seal([UInt8](capacity: 50) { unsafe message.write([1, 2, 3].span.bytes, to: &$0) })
        }
        let mine = session.receiveID.rawValue
        try expectSilence(handshake(mine, 1), .wrongConnectionID, from: [elsewhere])
        try expectSilence(handshake(mine ^ 1, 1), .unknownSession, from: [elsewhere])
        let foreign = try handshake(mine ^ 3 << 56, 1)
        #expect(pair.b.receive(foreign, from: elsewhere, now: pair.now) == .otherShard(1))
        let challenge = Challenge(
            attempt: .random(), proof: unsafe Bytes32([UInt8](repeating: 1, count: 32).span.bytes))
        try expectSilence(seal([UInt8](capacity: 50) { challenge.write(to: &$0) }), .unknownAttempt, from: [elsewhere])
        try pair.expectsWorkingSessions()
    }

    /// A member sends junk to a session's handshake: it goes on.
    @Test func junkDuringAHandshake() throws {
        let other = try Pair()
        other.fate = { $0 == 3 ? [] : [.zero] }
        try other.connect()
        other.settle()
        let session = try other.b.secure.sessions.values.first.orFail("no session")
        let peer = try other.a.secure.sessions.values.first.orFail("no session")
        var veil = try Veil([other.veil], receiver: other.a.identity.gatewayID)
        var random = RandomSource(seed: 8)
        for size in 0..<400 {
            var junk = (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            if size > 13 && size % 2 == 0 {
                junk.replaceSubrange(
                    0..<13, with: hex("16 fefd 0000 0000000000ff") + [0, UInt8(truncatingIfNeeded: size - 13)])
            }
            let message = Handshake(
                destination: session.receiveID, source: peer.receiveID, datagram: PacketSlice(offset: 0, count: 0))
            let plain = [UInt8](capacity: 500) { unsafe message.write(junk.span.bytes, to: &$0) }
            let datagram = [UInt8](capacity: 600) { output in
                unsafe try! veil.seal(
                    plain.span.bytes, nonce: .random(), to: other.b.identity.gatewayID, veil: 0, into: &output)
            }
            other.b.receive(datagram, from: elsewhere, now: other.now)
            _ = other.b.drain(now: other.now)
            guard session.phase == .handshaking else { break }
        }
        _ = other.run { !other.a.established.isEmpty || !other.a.failed.isEmpty }
        // An insider on the path can spoil one handshake (DTLS flights are not authenticated); the next one works.
        if other.a.established.isEmpty {
            try other.connect()
            #expect(other.run { !other.a.established.isEmpty })
        }
        try other.expectsWorkingSessions()
    }

    /// An invented source id in a HANDSHAKE that means nothing to DTLS does not become the peer's.
    @Test func inventedSource() throws {
        let other = try Pair()
        try other.connect()
        other.a.drain(now: other.now).forEach { other.b.receive($0.bytes, from: $0.from, now: other.now) }
        other.b.drain(now: other.now).forEach { other.a.receive($0.bytes, from: $0.from, now: other.now) }
        let session = try other.a.secure.sessions.values.first.orFail("no session")
        #expect(session.handshake.phase == .connect)
        let message = Handshake(
            destination: session.receiveID, source: ConnectionID(rawValue: 5),
            datagram: PacketSlice(offset: 0, count: 0))
        let plain = [UInt8](capacity: 50) { unsafe message.write([1, 2, 3].span.bytes, to: &$0) }
        var veil = try Veil([other.veil], receiver: other.b.identity.gatewayID)
        let datagram = [UInt8](capacity: 100) { output in
            unsafe try! veil.seal(
                plain.span.bytes, nonce: .random(), to: other.a.identity.gatewayID, veil: 0, into: &output)
        }
        #expect(other.a.receive(datagram, from: elsewhere, now: other.now) == .taken)
        #expect(session.handshake.phase == .connect && session.handshake.peerConnectionID == nil)
        #expect(other.run { !other.a.established.isEmpty })
        try other.expectsWorkingSessions()
    }

    /// One member begins many handshakes: there is room left for others.
    @Test func manyHandshakesOfOnePeer() throws {
        let (a, b) = (pair.a.identity, pair.b.identity)
        for number in 0..<12 {
            let attempt = Attempt.random()
            let nonce = VeilNonce.random()
            let proof = pair.b.secure.challenges.make(a.gatewayID, attempt, at: elsewhere, now: pair.now)
            let id = ConnectionID(rawValue: 7)
            let signed = Connect.signedBytes(
                receiver: b.gatewayID, nonce: nonce, attempt: attempt, proof: proof, connectionID: id)
            let message = Connect(
                key: a.publicKey, attempt: attempt, proof: proof, connectionID: id,
                signature: try unsafe a.sign(signed.span.bytes), datagram: PacketSlice(offset: 0, count: 0))
            let plain = [UInt8](capacity: 200) { unsafe message.write([1, 2, 3].span.bytes, to: &$0) }
            let outcome = pair.b.receive(try seal(plain, nonce: nonce), from: elsewhere, now: pair.now)
            #expect(outcome == (number < 8 ? .taken : .dropped(.tooManyHandshakes)))
        }
        #expect(pair.b.secure.handshakesInProgress == 8)
        try pair.expectsWorkingSessions()
    }

    @Test func manyHellos() throws {
        let (a, b) = (pair.a.identity, pair.b.identity)
        var configuration = SecureConfiguration()
        configuration.signatureCheckBurst = 5
        configuration.signatureChecksPerSecond = 1
        pair.b.secure = try SecureEndpoint(
            identity: b, veil: [pair.veil], knownPeers: [a.gatewayID], configuration: configuration, shard: 2, seed: 9)
        for number in 0..<20 {
            let bytes = try hello(by: a, as: a.publicKey, to: b.gatewayID)
            // All ports and hosts of one /24 count together.
            let address = Endpoint(v4: 0xc633_6400 + UInt32(number), port: UInt16(1_000 + number))
            #expect(
                pair.b.receive(bytes, from: address, now: pair.now) == (number < 5 ? .taken : .dropped(.rateLimited)))
        }
        #expect(pair.b.drain(now: pair.now).count == 5)
        let bytes = try hello(by: a, as: a.publicKey, to: b.gatewayID)
        #expect(pair.b.receive(bytes, from: Endpoint(v4: 0xc633_6500, port: 1), now: pair.now) == .taken)
        pair.now += .seconds(1)
        let later = try hello(by: a, as: a.publicKey, to: b.gatewayID)
        #expect(pair.b.receive(later, from: elsewhere, now: pair.now) == .taken)
    }

    /// HELLOs with a real peer's key and bad signatures do not keep that peer's CONNECT from being checked.
    @Test func floodOfHellosDuringAConnect() throws {
        var configuration = SecureConfiguration()
        configuration.signatureCheckBurst = 3
        configuration.signatureChecksPerSecond = 1
        let other = try Pair(configuration)
        try other.connect()
        other.a.drain(now: other.now).forEach { other.b.receive($0.bytes, from: $0.from, now: other.now) }
        other.b.drain(now: other.now).forEach { other.a.receive($0.bytes, from: $0.from, now: other.now) }
        var veil = try Veil([other.veil], receiver: other.a.identity.gatewayID)
        let forged = Hello(
            key: other.a.identity.publicKey, attempt: .random(),
            signature: unsafe Signature([UInt8](repeating: 3, count: 64).span.bytes))
        let plain = [UInt8](capacity: 200) { forged.write(to: &$0) }
        for _ in 0..<10 {
            let datagram = [UInt8](capacity: 200) { output in
                unsafe try! veil.seal(
                    plain.span.bytes, nonce: .random(), to: other.b.identity.gatewayID, veil: 0, into: &output)
            }
            other.b.receive(datagram, from: Pair.addressA.withPort(5), now: other.now)
        }
        #expect(other.b.secure.statistics[.badSignature] == 2 && other.b.secure.statistics[.rateLimited] == 8)
        other.settle()
        try other.expectsWorkingSessions()
    }

    /// HELLOs with keys that nobody knows: only so many are looked at, and a peer that was seen before is not among
    /// them.
    @Test func manyUnknownKeys() throws {
        var outcomes: [VeilDrop: Int] = [:]
        let signature = unsafe Signature([UInt8](repeating: 3, count: 64).span.bytes)
        for number in 0..<UInt32(SecureEndpoint.newKeysPerSecond + 10) {
            let tail = [UInt8](capacity: 4) { $0.write(number) }
            let bytes = [2] + [UInt8](repeating: 9, count: 28) + tail
            var reader = unsafe ByteReader(bytes.span.bytes)
            let hello = Hello(key: try PublicKey(reading: &reader), attempt: .random(), signature: signature)
            let datagram = try seal([UInt8](capacity: 200) { hello.write(to: &$0) })
            guard case .dropped(let drop) = pair.b.receive(datagram, from: elsewhere, now: pair.now) else { continue }
            outcomes[drop, default: 0] += 1
        }
        #expect(outcomes.keys.sorted { $0.rawValue < $1.rawValue } == [.unknownPeer, .rateLimited])
        #expect(outcomes[.rateLimited, default: 0] >= 10 && outcomes[.rateLimited, default: 0] <= 12)
        #expect(pair.b.secure.knownKeys.count == 1)
        _ = try pair.establish()
    }

    /// The owner does not poll: answers are kept up to a limit.
    @Test func manyAnswers() throws {
        let (a, b) = (pair.a.identity, pair.b.identity)
        var configuration = SecureConfiguration()
        configuration.signatureCheckBurst = 1_000
        pair.b.secure = try SecureEndpoint(
            identity: b, veil: [pair.veil], knownPeers: [a.gatewayID], configuration: configuration, shard: 2, seed: 9)
        for number in 0..<300 {
            let bytes = try hello(by: a, as: a.publicKey, to: b.gatewayID)
            let outcome = pair.b.receive(bytes, from: elsewhere, now: pair.now)
            #expect(outcome == (number < 256 ? .taken : .dropped(.tooManyAnswers)))
        }
        #expect(pair.b.drain(now: pair.now).count == 256)
    }
}
