import DXMatch
import DXSecure
import DXWire
import Testing

@testable import DXTunnel

/// The gateway's machine with the real cryptography, against a matchmaker with the same: what two modules that do not know each
/// other say of the bytes is the same.
@Suite struct MatchClientTests {
    private static let address = Endpoint(v4: 0xc000_0201, port: 3_478)

    /// A member of a group at a matchmaker.
    private final class Member {
        let identity: Identity
        let memberKey: Identity
        let memberTag: MemberTag
        let groupTag: GroupTag
        let secret: VeilSecret
        let address: Endpoint
        var client: MatchClient<OpenSSLMatchClientCryptography>
        var events: [MatchClientEvent] = []

        init(
            _ number: UInt32, pin: GatewayID, matchKey: Identity, secret: VeilSecret, kept: MatchTicket? = nil,
            now: Instant
        ) throws {
            identity = try Identity.generate()
            self.secret = secret
            let cryptography = try OpenSSLMatchClientCryptography(pin: pin)
            let tag = secret.groupTag(pin: pin)
            memberKey = try identity.memberKey(pin: pin, groupTag: tag)
            memberTag = cryptography.memberTag(of: cryptography.publicPoint(of: memberKey))
            groupTag = GroupTag(bytes: tag)
            address = Endpoint(v4: 0x0a00_0001 + number << 8, port: 7_700)
            client = MatchClient(
                MatchClientConfiguration(pin: pin, seed: UInt64(number)), matchKey: matchKey,
                cryptography: cryptography, kept: kept, now: now)
            client.setAddresses([MatchClientTests.address], now: now)
        }

        func content() -> BlobContent {
            BlobContent(
                gatewayID: identity.gatewayID, revision: 1, behaviourV4: NATBehaviour(bits: 2),
                behaviourV6: NATBehaviour(bits: 0),
                candidates: [Candidate(kind: .host, priority: 5, endpoint: Endpoint(v4: 0xc0a8_0001, port: 7_700))])
        }

        func register(now: Instant) throws {
            let blob = try MemberBlob.seal(content(), by: identity, memberTag: memberTag, secret: secret)
            try client.register(
                MatchRegistration(groupTag: groupTag, memberKey: memberKey, blob: blob, revision: 1), now: now)
        }
    }

    /// Everything that is said, until nobody has anything to say.
    private func talk(_ members: [Member], _ matchmaker: RealMatchmaker, now: Instant) throws {
        var isQuiet = false
        while !isQuiet {
            isQuiet = true
            for member in members {
                while let transmit = member.client.pollTransmit(now: now) {
                    isQuiet = false
                    #expect(transmit.destination == Self.address && transmit.datagram.count <= 1_200)
                    let answer = try matchmaker.receive(transmit.datagram, from: member.address, now: now)
                    if let answer {
                        #expect(answer.count <= transmit.datagram.count)
                        member.client.receive(answer.raw, from: Self.address, on: member.address, now: now)
                    }
                }
                while let event = member.client.pollEvent() { member.events.append(event) }
            }
            for notice in try matchmaker.notices(now: now) {
                isQuiet = false
                for member in members where member.address == notice.destination {
                    member.client.receive(notice.datagram.raw, from: Self.address, on: member.address, now: now)
                }
            }
        }
    }

    @Test func fromTheFirstCookieToAnIntroduction() throws {
        let now = Instant.zero + .seconds(1_000)
        let matchmaker = try RealMatchmaker(Identity.generate(), now: now)
        let (pin, matchKey, secret) = (
            matchmaker.identity.gatewayID, try Identity.generate(), VeilSecret.generate()
        )
        let one = try Member(1, pin: pin, matchKey: matchKey, secret: secret, now: now)
        let other = try Member(2, pin: pin, matchKey: matchKey, secret: secret, now: now)
        for member in [one, other] {
            try member.register(now: now)
            try talk([one, other], matchmaker, now: now)
            #expect(member.client.state == .registered)
            #expect(member.client.status.observedV4 == member.address)
        }
        #expect(matchmaker.registrationCount == 2)
        try one.client.introduce(to: other.memberTag, nonce: 7, now: now)
        try talk([one, other], matchmaker, now: now)
        let identities = [one.identity, other.identity]
        func open(_ peer: MatchPeer) -> BlobContent? {
            MemberBlob.open(peer.blob, memberTag: peer.memberTag, secret: secret) { id, _ in
                identities.first { $0.gatewayID == id }?.publicKey
            }?.content
        }
        var found: [GatewayID] = []
        for case .introduced(let peer, nonce: 7) in one.events {
            #expect(peer.address == other.address)
            found.append(try #require(open(peer)).gatewayID)
        }
        for case .notice(let peer, nonce: 7) in other.events {
            #expect(peer.address == one.address)
            found.append(try #require(open(peer)).gatewayID)
        }
        #expect(found == [other.identity.gatewayID, one.identity.gatewayID])
        // Refreshes are signed as both ends say.
        let later = now + .seconds(26)
        for member in [one, other] { member.client.timeoutFired(now: later) }
        try talk([one, other], matchmaker, now: later)
        #expect(one.client.status.lastHeardAt == later && one.client.status.statistics.notAuthentic == 0)
        // And who leaves is gone.
        one.client.stop(now: later)
        try talk([one, other], matchmaker, now: later)
        #expect(one.events.last == .left && matchmaker.registrationCount == 1)
    }

    @Test func aKeptTicketNeedsNoHandshake() throws {
        let now = Instant.zero + .seconds(1_000)
        let matchmaker = try RealMatchmaker(Identity.generate(), now: now)
        let (pin, matchKey, secret) = (
            matchmaker.identity.gatewayID, try Identity.generate(), VeilSecret.generate()
        )
        let one = try Member(1, pin: pin, matchKey: matchKey, secret: secret, now: now)
        try one.register(now: now)
        try talk([one], matchmaker, now: now)
        let bytes = try #require(one.client.exportTicket(now: now)).bytes
        let next = try Member(
            2, pin: pin, matchKey: matchKey, secret: secret, kept: MatchTicket(bytes: bytes), now: now)
        try next.register(now: now)
        try talk([next], matchmaker, now: now)
        #expect(next.client.state == .registered && matchmaker.handshakeCount == 1)
    }

    /// Whoever answers under the veil of a pin and has another key.
    @Test func anotherKeyIsNamed() throws {
        let now = Instant.zero + .seconds(1_000)
        let (pin, impostor) = (try Identity.generate().gatewayID, try Identity.generate())
        let veil = try MatchVeil(pin: pin, isMatchmaker: true)
        let server = try MatchDTLS(MatchDTLS.Context(impostor))
        let member = try Member(
            1, pin: pin, matchKey: Identity.generate(), secret: .generate(), now: now)
        try member.register(now: now)
        while let transmit = member.client.pollTransmit(now: now) {
            let opened = veil.open(transmit.datagram.raw)
            let bytes = try #require(opened)
            var answer: [UInt8] = []
            switch try MatchMessage(reading: bytes.raw) {
            case .cookieWanted(let attempt):
                let cookie = CookieMessage(attempt: attempt, cookie: .zero)
                answer = TunnelMessageWriter.bytes(capacity: CookieMessage.byteCount) { cookie.write(to: &$0) }
            case .clientFlight(let flight):
                let datagram = Array(bytes[flight.datagram.offset...].prefix(flight.datagram.count))
                _ = server.receive(datagram.raw)
                let records = server.takeFlight().flatMap(\.self)
                answer = TunnelMessageWriter.bytes(capacity: 1_172) {
                    ServerFlight.write(attempt: flight.attempt, datagram: records.raw, to: &$0)
                }
            default: Issue.record("neither a cookie nor a flight")
            }
            let datagram = try veil.seal(answer.raw)
            member.client.receive(datagram.raw, from: Self.address, on: member.address, now: now)
        }
        let wrong = MatchClientProblem.wrongPin(expected: pin, seen: impostor.gatewayID)
        #expect(member.client.state == .failing(wrong))
        #expect(member.client.pollEvent() == .wrongPin(expected: pin, seen: impostor.gatewayID))
    }

    /// A blob is a member's, for its tag, under its epoch, and of who signed it.
    @Test func blobsOfOthersAreNone() throws {
        let (identity, other) = (try Identity.generate(), try Identity.generate())
        let (secret, tag) = (VeilSecret.generate(), MemberTag(high: 1, low: 2))
        let content = BlobContent(
            gatewayID: identity.gatewayID, revision: 3, behaviourV4: NATBehaviour(bits: 0),
            behaviourV6: NATBehaviour(bits: 0), candidates: [])
        let key: (GatewayID, PublicKey?) -> PublicKey? = { id, _ in
            [identity, other].first { $0.gatewayID == id }?.publicKey
        }
        let blob = try MemberBlob.seal(content, by: identity, memberTag: tag, secret: secret)
        let opened = try #require(MemberBlob.open(blob, memberTag: tag, secret: secret, publicKey: key)).content
        #expect(opened.gatewayID == identity.gatewayID && opened.revision == 3)
        let otherTag = MemberTag(high: 1, low: 3)
        #expect(MemberBlob.open(blob, memberTag: otherTag, secret: secret, publicKey: key) == nil)
        #expect(MemberBlob.open(blob, memberTag: tag, secret: .generate(), publicKey: key) == nil)
        #expect(MemberBlob.open(blob, memberTag: tag, secret: secret, publicKey: { _, _ in nil }) == nil)
        // Signed by another member in this one's name.
        let forged = try MemberBlob.seal(content, by: other, memberTag: tag, secret: secret)
        #expect(MemberBlob.open(forged, memberTag: tag, secret: secret, publicKey: key) == nil)
        // Where nobody knows the gateway its key comes along.
        let joining = try MemberBlob.seal(content, by: other, memberTag: tag, secret: secret, .key)
        var told: PublicKey?
        let read = MemberBlob.open(joining, memberTag: tag, secret: secret) { _, key in
            told = key
            return key
        }
        #expect(told == other.publicKey && read?.key == other.publicKey)
        // The largest that there is.
        var full = content
        full.candidates = (0..<16).map { number in
            Candidate(
                kind: .host, priority: 1, endpoint: Endpoint(v6High: 0x2001 << 48, low: UInt64(number), port: 1))
        }
        let largest = try MemberBlob.seal(
            full, by: identity, memberTag: tag, secret: secret, .key)
        #expect(largest.count <= MatchConstants.maximumBlob)
        let read2 = MemberBlob.open(largest, memberTag: tag, secret: secret, publicKey: key)
        #expect(read2?.content.candidates == full.candidates)
    }
}
