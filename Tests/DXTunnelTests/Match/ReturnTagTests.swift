import DXMatch
import DXSecure
import DXWire
import Testing

@testable import DXTunnel

/// Registrations under return tags (`docs/matchmaking.md` §6), with the real cryptography at both ends and no sockets.
@Suite struct ReturnTagTests {
    private static let matchmakerAddress = Endpoint(v4: 0xc000_0201, port: 3_478)
    private static let now = Instant.zero + .seconds(1_000)

    /// A gateway's registration under the return tag with another one.
    private final class Party {
        let identity: Identity
        let link: MatchLink
        let address: Endpoint
        /// Who was on the roster when it was read last.
        var roster: [MatchPeer] = []

        /// - Parameters:
        ///   - tag: that of others, for one that has no business there.
        ///   - matchKey: another one than the pair's.
        init(
            _ identity: Identity, with other: PublicKey, pin: GatewayID, number: UInt32, tag: GroupTag? = nil,
            matchKey: Identity? = nil
        ) throws {
            self.identity = identity
            let secret = try #require(PairSecret(identity, other))
            let server = try #require(
                MatchmakerAddress(address: HostAddress(host: "192.0.2.1", port: 3_478), pin: pin))
            link = try MatchLink(
                server, purpose: .pair(other), matchKey: matchKey ?? secret.returnKey(pin: pin),
                groupTag: tag?.bytes ?? secret.returnTag(pin: pin), blobSecret: secret.returnSecret,
                identity: identity, keepalive: .seconds(25), kept: nil, seed: UInt64(number), now: now)
            address = Endpoint(v4: 0x0a00_0001 + number << 8, port: 7_700)
            link.client.setAddresses([matchmakerAddress], now: now)
        }

        func content(revision: UInt64 = 1) -> BlobContent {
            BlobContent(
                gatewayID: identity.gatewayID, revision: revision, behaviourV4: NATBehaviour(bits: 2),
                behaviourV6: NATBehaviour(bits: 0),
                candidates: [Candidate(kind: .host, priority: 5, endpoint: address)])
        }

        /// Wants to be registered, with its own blob or with one that it got hold of.
        func register(epoch: UInt64, blob: [UInt8]? = nil) throws {
            try link.client.register(
                MatchRegistration(
                    groupTag: link.groupTag, memberKey: link.memberKey,
                    blob: try blob ?? link.seal(content(), identity, epoch: epoch), revision: 1),
                now: now)
        }

        /// Of the roster what this gateway takes for the other one's.
        func listings(knowing keys: [PublicKey]) -> [MatchLink.Listing] {
            roster.compactMap { peer in link.open(peer) { id, _ in keys.first { $0.gatewayID == id } } }
        }
    }

    /// Everything that is said, until nobody has anything to say.
    private func talk(_ parties: [Party], _ matchmaker: RealMatchmaker) throws {
        var isQuiet = false
        while !isQuiet {
            isQuiet = true
            for party in parties {
                while let transmit = party.link.client.pollTransmit(now: Self.now) {
                    isQuiet = false
                    let answer = try matchmaker.receive(transmit.datagram, from: party.address, now: Self.now)
                    if let answer {
                        party.link.client.receive(
                            answer.raw, from: Self.matchmakerAddress, on: party.address, now: Self.now)
                    }
                }
                while let event = party.link.client.pollEvent() {
                    if case .roster(let peers, _, _) = event { party.roster = peers }
                }
            }
        }
    }

    private func matchmaker() throws -> RealMatchmaker { try RealMatchmaker(Identity.generate(), now: Self.now) }

    /// Both come to the same place from the other's public key alone, and each says which epoch it has.
    @Test func bothMeet() throws {
        let matchmaker = try matchmaker()
        let pin = matchmaker.identity.gatewayID
        let (admin, straggler) = (try Identity.generate(), try Identity.generate())
        let waiting = try Party(admin, with: straggler.publicKey, pin: pin, number: 1)
        let returning = try Party(straggler, with: admin.publicKey, pin: pin, number: 2)
        try waiting.register(epoch: 7)
        try talk([waiting], matchmaker)
        try returning.register(epoch: 2)
        try talk([waiting, returning], matchmaker)
        let found = try #require(returning.listings(knowing: [admin.publicKey]).first)
        #expect(found.content.gatewayID == admin.gatewayID && found.epoch == 7 && found.address == waiting.address)
        waiting.link.client.readRoster(now: Self.now)
        try talk([waiting, returning], matchmaker)
        #expect(waiting.listings(knowing: [straggler.publicKey]).map(\.epoch) == [2])
        // Who is none of the two finds no key, whatever he has of the group's.
        #expect(waiting.listings(knowing: []).isEmpty)
        let group = VeilSecret.generate()
        let blob = try #require(waiting.roster.first)
        let opened = MemberBlob.open(blob.blob, memberTag: blob.memberTag, secret: group) { _, _ in straggler.publicKey
        }
        #expect(opened == nil)
    }

    /// Somebody who saw the tag, as the matchmaker does, registers under it. Under a match key of his own that is another place; and
    /// had he the pair's, whom he would need to be one of to have, his blob would not be one.
    @Test func aForeignTagIsOfNoUse() throws {
        let matchmaker = try matchmaker()
        let pin = matchmaker.identity.gatewayID
        let (admin, straggler, thief) = (try Identity.generate(), try Identity.generate(), try Identity.generate())
        let waiting = try Party(admin, with: straggler.publicKey, pin: pin, number: 1)
        try waiting.register(epoch: 7)
        try talk([waiting], matchmaker)
        let outside = try Party(
            thief, with: admin.publicKey, pin: pin, number: 2, tag: waiting.link.groupTag, matchKey: .generate())
        try outside.register(epoch: 7)
        try talk([waiting, outside], matchmaker)
        #expect(outside.link.isRegistered && outside.roster.isEmpty)
        let inside = try Party(
            thief, with: admin.publicKey, pin: pin, number: 3, tag: waiting.link.groupTag,
            matchKey: waiting.link.matchKey)
        try inside.register(epoch: 7)
        try talk([waiting, inside], matchmaker)
        #expect(inside.roster.count == 1 && inside.listings(knowing: [admin.publicKey]).isEmpty)
        waiting.link.client.readRoster(now: Self.now)
        try talk([waiting, inside], matchmaker)
        // The thief may even be a member: it is not the one of this pair.
        #expect(waiting.roster.count == 1)
        #expect(waiting.listings(knowing: [thief.publicKey, straggler.publicKey]).isEmpty)
    }

    /// A blob that was copied is good under the registration that it was made for, and nowhere else.
    @Test func aCopiedBlobIsOfNoUse() throws {
        let matchmaker = try matchmaker()
        let pin = matchmaker.identity.gatewayID
        let (admin, straggler, thief) = (try Identity.generate(), try Identity.generate(), try Identity.generate())
        let waiting = try Party(admin, with: straggler.publicKey, pin: pin, number: 1)
        let returning = try Party(straggler, with: admin.publicKey, pin: pin, number: 2)
        let copied = try waiting.link.seal(waiting.content(), admin, epoch: 7)
        let inside = try Party(
            thief, with: straggler.publicKey, pin: pin, number: 3, tag: waiting.link.groupTag,
            matchKey: waiting.link.matchKey)
        try inside.register(epoch: 7, blob: copied)
        try talk([inside], matchmaker)
        try returning.register(epoch: 2)
        try talk([returning, inside], matchmaker)
        #expect(returning.roster.count == 1)
        #expect(returning.listings(knowing: [admin.publicKey, thief.publicKey]).isEmpty)
        // An earlier one under its own name takes no later one's place.
        try waiting.register(epoch: 7)
        try talk([waiting], matchmaker)
        returning.link.client.readRoster(now: Self.now)
        try talk([returning], matchmaker)
        let genuine = try #require(returning.roster.first { $0.memberTag == waiting.link.memberTag })
        for revision in [5, 4] as [UInt64] {
            var peer = genuine
            peer.blob = try waiting.link.seal(waiting.content(revision: revision), admin, epoch: 7)
            let listing = returning.link.open(peer) { _, _ in admin.publicKey }
            returning.link.take(try #require(listing))
            #expect(returning.link.listings[admin.gatewayID]?.content.revision == 5)
        }
    }
}
