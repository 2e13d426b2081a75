import DXWire
import Testing

@testable import DXMatch

/// REFRESH and the end of registrations (`docs/matchmaking.md` §4.1).
@Suite struct RefreshTests {
    @Test func aRefreshRenews() throws {
        let lab = MatchLab()
        let member = TestMember(1)
        member.lifetime = 60
        try lab.register(member)
        _ = try lab.roster(member)
        for _ in 0..<10 {
            lab.pass(.seconds(59))
            #expect(try #require(try lab.refresh(member)).flags == [])
        }
        lab.pass(.seconds(60))
        #expect(lab.server.status.registrations == 0)
        #expect(lab.server.statistics.expired == 1)
        #expect(throws: MatchServerDrop.unknownHandle) { try lab.refresh(member) }
    }

    @Test func whatHasEndedIsNotServedBeforeItIsRemoved() throws {
        let lab = MatchLab()
        let (member, other) = (TestMember(1), TestMember(2))
        member.lifetime = 60
        try lab.register(member)
        try lab.register(other)
        lab.now += .seconds(60)
        #expect(lab.introduce(other, to: member.tag, nonce: 1).status == .unknownMember)
        #expect(try lab.roster(other).entries.isEmpty)
        #expect(throws: MatchServerDrop.unknownHandle) { try lab.refresh(member) }
        // Nothing of before holds it back.
        member.revision = 0
        member.takeTicket()
        try lab.register(member)
        #expect(lab.server.status.registrations == 2)
    }

    @Test func countsRise() throws {
        let lab = MatchLab()
        let member = TestMember(1)
        try lab.register(member)
        _ = try lab.refresh(member, count: 5)
        #expect(throws: MatchServerDrop.replayed) { try lab.refresh(member, count: 5) }
        #expect(throws: MatchServerDrop.replayed) { try lab.refresh(member, count: 4) }
        _ = try lab.refresh(member, count: .max)
        #expect(throws: MatchServerDrop.replayed) { try lab.refresh(member, count: 6) }
        #expect(lab.server.statistics.replayed == 3)
    }

    @Test func aWrongCodeIsNotAnswered() throws {
        let lab = MatchLab()
        let (member, other) = (TestMember(1), TestMember(2))
        try lab.register(member)
        try lab.register(other)
        let handle = other.handle
        other.handle = member.handle
        #expect(throws: MatchServerDrop.wrongCode) { try lab.refresh(other) }
        other.handle = handle
        _ = try lab.refresh(other)
    }

    /// Whoever sees a REFRESH can send it from elsewhere, once: it must neither move the registration nor keep it alive.
    @Test func anotherAddressRenewsNothing() throws {
        let lab = MatchLab()
        let member = TestMember(1)
        member.lifetime = 60
        try lab.register(member)
        _ = try lab.roster(member)
        lab.pass(.seconds(30))
        let answer = try #require(try lab.refresh(member, from: member.address.withPort(1)))
        #expect(answer.flags == .registerAgain)
        member.socket = 1
        #expect(try #require(try lab.refresh(member)).flags == .registerAgain)
        #expect(try lab.refresh(member, flags: RefreshMessage.wantsNoAnswer) != nil)
        lab.pass(.seconds(30))
        #expect(lab.server.status.registrations == 0)
        #expect(lab.server.statistics.movedRefreshes == 3)
    }

    @Test func nothingIsSaidToWhoWantsNoAnswer() throws {
        let lab = MatchLab()
        let member = TestMember(1)
        try lab.register(member)
        _ = try lab.roster(member)
        #expect(try lab.refresh(member, flags: RefreshMessage.wantsNoAnswer) == nil)
        #expect(try lab.refresh(member) != nil)
    }

    @Test func aChangedRosterIsTold() throws {
        let lab = MatchLab()
        let (member, other) = (TestMember(1), TestMember(2))
        func isChanged() throws -> Bool { try #require(try lab.refresh(member)).flags.contains(.rosterChanged) }
        let digest = try lab.register(member).rosterDigest
        // Until it asked the first time.
        #expect(try isChanged())
        _ = try lab.roster(member)
        #expect(try !isChanged())
        try lab.register(other)
        #expect(try isChanged())
        #expect(try isChanged())
        _ = try lab.roster(member)
        #expect(try !isChanged())
        // What did not change is no change; nor is what it said itself.
        try lab.register(other)
        #expect(try !isChanged())
        member.revision += 1
        #expect(try lab.register(member).rosterDigest != digest)
        #expect(try !isChanged())
        other.revision += 1
        try lab.register(other)
        #expect(try isChanged())
        _ = try lab.roster(member)
        let handle = other.handle
        #expect(lab.send(other) { MatchRequest.writeLeave(handle, to: &$0) }.status == .done)
        #expect(try isChanged())
        member.revision = 1
        let alone = TestMember(1)
        #expect(alone.tag == member.tag)
    }

    /// The digest is a function of who is there, not of how it came about.
    @Test func equalRostersHaveEqualDigests() throws {
        let (one, two) = (MatchLab(seed: 1), MatchLab(seed: 2))
        var digests: [UInt64] = []
        for (lab, order) in [(one, [1, 2, 3]), (two, [3, 4, 1, 2])] {
            for number in order {
                let member = TestMember(number)
                try lab.register(member)
                if number == 4 {
                    let handle = member.handle
                    #expect(lab.send(member) { MatchRequest.writeLeave(handle, to: &$0) }.status == .done)
                }
            }
            digests.append(try lab.register(TestMember(5)).rosterDigest)
        }
        #expect(digests[0] == digests[1])
    }
}
