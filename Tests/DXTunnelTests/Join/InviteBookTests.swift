import DXSecure
import DXWire
import Testing

@testable import DXTunnel

@Suite struct InviteBookTests {
    private func invite(lifetime: UInt64 = 3_600, madeAt: Int64 = 1_000) -> Invite {
        Invite(secret: TokenSecret(), lifetime: lifetime, madeAt: madeAt)
    }

    private func add(_ invite: Invite, to book: inout InviteBook) -> Bool { book.add(invite, now: .zero) }

    @Test func oneKeyOnlyAndThatAgain() throws {
        var book = InviteBook()
        let made = invite()
        _ = add(made, to: &book)
        let (first, second) = try (TestKeys.identity(1).publicKey, TestKeys.identity(2).publicKey)
        #expect(book.verdict(on: made.secret.id, for: first) == .accept)
        let redemption = Invite.Redemption(key: first, member: .random(), name: "a")
        book.redeem(made.secret.id, redemption, now: .zero)
        #expect(book.verdict(on: made.secret.id, for: first) == .again(redemption))
        #expect(book.verdict(on: made.secret.id, for: second) == .refuse(.used))
        #expect(book.verdict(on: made.secret.id &+ 1, for: first) == .refuse(.unknown))
    }

    /// Whoever joined may ask again for a while; after it nobody is expected, though the invitation is there.
    @Test func whoInvitedIsFoundUntilSomeTimeAfterTheLastHasJoined() throws {
        var book = InviteBook()
        let (first, second) = (invite(), invite())
        _ = add(first, to: &book)
        _ = add(second, to: &book)
        let redemption = Invite.Redemption(key: try TestKeys.identity(1).publicKey, member: .random(), name: "a")
        book.redeem(first.secret.id, redemption, now: .zero)
        #expect(book.rendezvousSeed(now: .zero + .seconds(3_000)) != nil)
        book.redeem(second.secret.id, redemption, now: .zero + .seconds(10))
        #expect(book.rendezvousSeed(now: .zero + .seconds(10) + InviteBook.answerTime - .seconds(1)) != nil)
        #expect(book.rendezvousSeed(now: .zero + .seconds(10) + InviteBook.answerTime) == nil)
        #expect(book.joinVeil != nil && book.verdict(on: first.secret.id, for: redemption.key) == .again(redemption))
        // After a restart nobody knows how long ago it was.
        let later = Instant.zero + .seconds(5_000)
        let read = try InviteBook(book.fields, calendar: 1_100, now: later)
        #expect(read.rendezvousSeed(now: later)?.bytes == book.joinSeed)
        #expect(read.rendezvousSeed(now: later + InviteBook.answerTime) == nil)
        // Another invitation is another reason.
        _ = add(invite(), to: &book)
        #expect(book.rendezvousSeed(now: later)?.bytes == book.joinSeed)
    }

    /// However many tokens there are, there is one veil, and none without tokens; a new set has a new one.
    @Test func thereIsOneVeilWhileThereAreTokens() {
        var book = InviteBook()
        #expect(book.joinVeil == nil && book.rendezvousSeed(now: .zero) == nil)
        var ids: [UInt64] = []
        for _ in 0..<1_000 {
            let made = invite()
            ids.append(made.secret.id)
            _ = add(made, to: &book)
        }
        let seed = book.joinSeed
        #expect(book.joinVeil?.name == VeilSecret(joinSeed: seed)?.name)
        #expect(book.rendezvousSeed(now: .zero)?.bytes == seed)
        for id in ids where !book.revoke(id) { Issue.record("it was there") }
        #expect(book.joinVeil == nil && book.rendezvousSeed(now: .zero) == nil)
        _ = add(invite(), to: &book)
        #expect(book.joinSeed != seed)
    }

    /// A calendar that jumps while the gateway runs changes nothing; one that was set back before makes no token live
    /// longer than it was made for, and one from the future ends it.
    @Test(
        arguments: [(0, 3_600), (1_000, 3_600), (2_000, 2_600), (4_599, 1), (4_600, nil), (1 << 40, nil)]
            as [(Int64, Int64?)])
    func whatIsLeftAfterARestart(calendar: Int64, left: Int64?) throws {
        var book = InviteBook()
        _ = add(invite(), to: &book)
        let start = Instant.zero + .seconds(7)
        var read = try InviteBook(book.fields, calendar: calendar, now: start)
        #expect(read.nextDeadline == left.map { start + .seconds($0) })
        guard let left else { return }
        let early = read.expire(now: start + .seconds(left) - .milliseconds(1))
        #expect(!early)
        let late = read.expire(now: start + .seconds(left))
        #expect(late)
        #expect(read.invites.isEmpty)
    }

    @Test func allOfItIsStored() throws {
        var book = InviteBook()
        var made = invite()
        made.name = "edge-1"
        made.labels = [try Label("kind=plc"), try Label("site=north")]
        made.roles = .forwarder
        made.makesAdmin = true
        made.onlyFor = try TestKeys.identity(3).gatewayID
        made.redeemed = Invite.Redemption(
            key: try TestKeys.identity(3).publicKey, member: .random(), name: "edge-1")
        _ = add(made, to: &book)
        let bytes = StateFile.bytes(.invites, book.fields)
        let read = try InviteBook(try StateFile.fields(bytes, of: .invites), calendar: 1_000, now: .zero)
        let same = try #require(read.invites[made.secret.id])
        #expect(same.name == made.name && same.labels == made.labels && same.roles == made.roles)
        #expect(same.makesAdmin && same.onlyFor == made.onlyFor && same.redeemed == made.redeemed)
        #expect(read.joinSeed == book.joinSeed)
    }
}
