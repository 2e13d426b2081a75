import DXWire
import Testing

@testable import DXMatch

/// Two instances that share their registrations (`docs/matchmaking.md` §4.3).
@Suite struct MirrorTests {
    /// Hands each instance what the other said.
    private func exchange(_ one: MatchLab, _ two: MatchLab) {
        for (from, to, number) in [(one, two, 1), (two, one, 2)] as [(MatchLab, MatchLab, UInt32)] {
            for event in from.events() {
                switch event {
                case .registered(var registration):
                    #expect(registration.instance == 0)
                    registration.instance = number
                    to.server.mirror(registration, now: to.now)
                case .refreshed(let key, lifetime: _): to.server.mirrorRefresh(key, instance: number, now: to.now)
                case .removed(let key): to.server.mirrorRemoval(key, instance: number)
                case .introduction(let instance, let introduction):
                    #expect(instance == 3 - number)
                    to.server.deliver(introduction, now: to.now)
                case .admitted(let admission): to.server.mirror(admission, now: to.now)
                case .overflowed: Issue.record("overflowed")
                }
            }
        }
    }

    private func instances() -> (MatchLab, MatchLab) {
        (MatchLab(isMirrored: true, seed: 1), MatchLab(isMirrored: true, seed: 2))
    }

    @Test func membersOfBothMeet() throws {
        let (one, two) = instances()
        let (here, there) = (TestMember(1), TestMember(2))
        try one.register(here)
        try two.register(there)
        exchange(one, two)
        #expect(try one.roster(here).entries.map(\.memberTag) == [there.tag])
        #expect(try two.roster(there).blobs == [here.blob])
        #expect(one.introduce(here, to: there.tag, nonce: 5).status == .done)
        // From the socket at which it is registered, and no other.
        #expect(one.notices().isEmpty)
        exchange(one, two)
        let notice = try #require(two.notices().first)
        #expect(notice.transmit.destination == there.address && notice.transmit.handle == there.handle)
        #expect(notice.notice.memberTag == here.tag && notice.notice.nonce == 5 && notice.blob == here.blob)
        _ = try two.refresh(there, notice: notice.transmit.number)
        #expect(two.server.status.pendingNotices == 0)
    }

    @Test func refreshesAndEndsAreTold() throws {
        let (one, two) = instances()
        let member = TestMember(1)
        member.lifetime = 60
        try one.register(member)
        exchange(one, two)
        for lab in [one, two] { lab.pass(.seconds(50)) }
        _ = try one.refresh(member)
        exchange(one, two)
        for lab in [one, two] { lab.pass(.seconds(50)) }
        #expect(two.server.status.registrations == 1)
        let handle = member.handle
        #expect(one.send(member) { MatchRequest.writeLeave(handle, to: &$0) }.status == .done)
        exchange(one, two)
        #expect(two.server.status.registrations == 0)
        #expect(two.events().isEmpty)
    }

    /// Once in each quarter of the lifetime, however often it refreshes; so the others never lose it.
    @Test func refreshesAreToldSeldom() throws {
        let (one, two) = instances()
        let members = (0..<8).map { TestMember($0) }
        for member in members {
            member.lifetime = 600
            try one.register(member)
        }
        exchange(one, two)
        var told = 0
        for _ in 0..<240 {
            for lab in [one, two] { lab.pass(.seconds(25)) }
            for member in members { _ = try one.refresh(member) }
            for case .refreshed(let key, let lifetime) in one.events() {
                #expect(lifetime == 600)
                told += 1
                two.server.mirrorRefresh(key, instance: 1, now: two.now)
            }
            #expect(two.server.status.registrations == members.count)
        }
        // 6,000 s are 40 quarters; one that only begins is one more.
        #expect((40 * members.count...41 * members.count).contains(told), "\(told)")
    }

    /// A REFRESH that a balancer sent to the wrong instance: the member is told to register there.
    @Test func aMemberMovesToTheInstanceThatHearsIt() throws {
        let (one, two) = instances()
        let member = TestMember(1)
        try one.register(member)
        exchange(one, two)
        #expect(try #require(try two.refresh(member)).flags.contains(.registerAgain))
        #expect(two.introduce(member, to: member.tag, nonce: 1).status == .notRegistered)
        try two.register(member)
        exchange(one, two)
        #expect(one.server.audit(MatchLab.groupTag, now: one.now).map(\.instance) == [2])
        #expect(two.server.audit(MatchLab.groupTag, now: two.now).map(\.instance) == [0])
        #expect(one.server.status.registrations == 1 && two.server.status.registrations == 1)
        // What the first says late of what it had is not taken.
        let key = RegistrationKey(matchKey: member.matchKey, groupTag: member.groupTag, memberTag: member.tag)
        two.server.mirrorRemoval(key, instance: 1)
        #expect(two.server.status.registrations == 1)
    }

    /// What a store kept while an instance did not hear of it: the later of the two is so.
    @Test func whatWasKeptMayBeOld() throws {
        let (one, two) = instances()
        let member = TestMember(1)
        member.lifetime = 600
        try one.register(member)
        var kept = try #require(one.server.ownRegistrations(now: one.now).first)
        kept.instance = 1
        for lab in [one, two] { lab.pass(.seconds(100)) }
        // It moved, and only the other instance knows.
        try two.register(member)
        let isOlderTaken = two.server.mirrorKept(kept, remaining: .seconds(500), now: two.now)
        #expect(!isOlderTaken)
        #expect(two.server.audit(MatchLab.groupTag, now: two.now).map(\.instance) == [0])
        // It moved back since.
        for lab in [one, two] { lab.pass(.seconds(100)) }
        let isLaterTaken = two.server.mirrorKept(kept, remaining: .seconds(590), now: two.now)
        #expect(isLaterTaken)
        #expect(two.server.audit(MatchLab.groupTag, now: two.now).map(\.instance) == [1])
        // Of others' the store is right.
        let isForeignTaken = two.server.mirrorKept(kept, remaining: .seconds(1), now: two.now)
        #expect(isForeignTaken)
    }

    @Test func anOlderRevisionIsNotTaken() throws {
        let (one, two) = instances()
        let member = TestMember(1)
        member.revision = 5
        try one.register(member)
        let old = try #require(one.server.ownRegistrations(now: one.now).first)
        member.revision = 6
        try two.register(member)
        var foreign = old
        foreign.instance = 1
        #expect(!two.mirror(foreign))
        foreign.revision = 6
        #expect(two.mirror(foreign))
        foreign.instance = 0
        #expect(!two.mirror(foreign))
        foreign.instance = 1
        foreign.blob = [UInt8](repeating: 0, count: 601)
        #expect(!two.mirror(foreign))
        foreign.blob = []
        foreign.key.memberTag = MemberTag(high: 9, low: 9)
        // Another member under the same handle.
        #expect(!two.mirror(foreign))
    }

    @Test func anEventTooManyIsToldAsSuch() throws {
        var limits = MatchLab.generous
        limits.events = 3
        let lab = MatchLab(limits: limits, isMirrored: true)
        for number in 0..<5 { try lab.register(TestMember(number)) }
        #expect(lab.events() == [.overflowed])
        #expect(lab.server.ownRegistrations(now: lab.now).count == 5)
        try lab.register(TestMember(9))
        #expect(lab.events().count == 1)
        let alone = MatchLab()
        try alone.register(TestMember(1))
        #expect(alone.events().isEmpty)
    }
}
