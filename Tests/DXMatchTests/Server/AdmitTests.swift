import DXWire
import Testing

@testable import DXMatch

/// ADMIT (`docs/matchmaking.md` §4.4).
@Suite struct AdmitTests {
    private let lab: MatchLab
    private let host = TestMember(1)

    init() throws {
        lab = MatchLab(isMirrored: true)
        try lab.register(host)
    }

    private static func key(_ number: UInt64) -> PublicPoint { PublicPoint(parity: 3, x: Block32(number, 7, 7, 7))! }
    private static func hash(_ number: UInt64) -> MatchKeyHash { FakeCryptography().matchKeyHash(of: key(number)) }

    /// One whose match key is that of this number.
    private func guest(_ number: Int, key: UInt64 = 1) -> TestMember {
        let guest = TestMember(number)
        guest.matchKey = Self.hash(key)
        guest.groupTag = GroupTag(high: 0xcc, low: key)
        guest.isGuest = true
        return guest
    }

    @discardableResult
    private func admit(
        _ key: UInt64 = 1, for lifetime: UInt16 = 600, by member: TestMember? = nil, in lab: MatchLab? = nil
    ) -> MatchLab.Reply {
        let member = member ?? host
        let request = AdmitRequest(handle: member.handle, guestKey: Self.key(key), lifetime: lifetime)
        return (lab ?? self.lab).send(member) { request.write(to: &$0) }
    }

    private func end(_ key: UInt64 = 1) -> Interval? {
        lab.server.admissionEnd(of: Self.hash(key), now: lab.now).map { $0 - lab.now }
    }

    @Test(arguments: [(UInt16(0), UInt16(60)), (60, 60), (3_600, 3_600), (.max, 7_200)])
    func itIsGrantedWithinItsRange(wanted: UInt16, granted: UInt16) {
        guard case .answer(.admitted(let lifetime), _) = admit(for: wanted) else {
            Issue.record("not admitted")
            return
        }
        #expect(lifetime == granted && end() == .seconds(Int64(granted)))
        lab.pass(.seconds(Int64(granted)) - .nanoseconds(1))
        #expect(end() == .nanoseconds(1))
        lab.pass(.nanoseconds(1))
        #expect(end() == nil)
        lab.pass(.seconds(61))
        #expect(lab.server.status.admissions == 0)
    }

    @Test func repeatingRenews() {
        admit(for: 100)
        lab.pass(.seconds(90))
        admit(for: 100)
        lab.pass(.seconds(90))
        #expect(end() == .seconds(10) && lab.server.status.admissions == 1)
    }

    @Test func onlyMembersOfServedGroupsAdmit() throws {
        let stranger = TestMember(2)
        #expect(admit(by: stranger).status == .notRegistered)
        admit(1)
        let guest = guest(3)
        try lab.register(guest)
        #expect(admit(2, by: guest).status == .notServed)
        // Nor itself for longer.
        #expect(admit(1, for: 7_200, by: guest).status == .notServed)
        #expect(end(2) == nil && end(1) == .seconds(600))
    }

    @Test func anOwnerHasItsLimitAndNoOthers() throws {
        let other = TestMember(2)
        other.matchKey = MatchKeyHash(high: 0xaa, low: 2)
        try lab.register(other)
        for key in 1...256 { #expect(admit(UInt64(key)).status == .done) }
        #expect(admit(257).status == .full)
        // Those that are there can be renewed; another owner has places of its own, for the same guests too.
        #expect(admit(256).status == .done)
        #expect(admit(257, by: other).status == .done && admit(1, by: other).status == .done)
        #expect(lab.server.status.admissions == 258)
        // What has ended takes its place for a minute at most.
        for _ in 0..<2 {
            lab.pass(.seconds(330))
            _ = try lab.refresh(host)
        }
        #expect(lab.server.status.admissions == 0 && admit(257).status == .done)
    }

    @Test func allTogetherHaveALimit() throws {
        var limits = MatchLab.generous
        limits.guests = 2
        let lab = MatchLab(limits: limits)
        let member = TestMember(1)
        try lab.register(member)
        #expect((1...3).map { admit(UInt64($0), by: member, in: lab).status } == [.done, .done, .full])
    }

    /// A guest is served while any of its owners wants it: nobody can take it away by admitting it first, or for a shorter time.
    @Test func aForeignOwnerChangesNothing() throws {
        let other = TestMember(2)
        other.matchKey = MatchKeyHash(high: 0xaa, low: 2)
        try lab.register(other)
        admit(1, for: 60, by: other)
        admit(1, for: 600)
        #expect(end() == .seconds(600))
        admit(1, for: 60, by: other)
        #expect(end() == .seconds(600))
        lab.server.endAdmissions { $0 == MatchLab.matchKey }
        #expect(end() == .seconds(600))
        admit(1, for: 60, by: other)
        lab.server.endAdmissions { $0 == other.matchKey }
        #expect(end() == .seconds(60))
    }

    /// REFRESH needs no ticket: the stay ends all the same.
    @Test func aGuestStaysNoLongerThanItIsAdmitted() throws {
        admit(for: 600)
        let guest = guest(3)
        guest.lifetime = 300
        #expect(try lab.register(guest).lifetime == 300)
        for _ in 0..<5 {
            lab.pass(.seconds(100))
            #expect(try lab.refresh(guest) != nil)
        }
        lab.pass(.seconds(99))
        #expect(try lab.refresh(guest) != nil)
        lab.pass(.seconds(2))
        #expect(throws: MatchServerDrop.unknownHandle) { try lab.refresh(guest) }
        let held = lab.server.audit(guest.groupTag, now: lab.now)
        #expect(held.isEmpty)
    }

    @Test func aGuestThatIsAdmittedOnStays() throws {
        admit(for: 100)
        let guest = guest(3)
        #expect(try lab.register(guest).lifetime == 100)
        for _ in 0..<20 {
            lab.pass(.seconds(50))
            _ = try lab.refresh(host)
            admit(for: 100)
            #expect(try lab.refresh(guest) != nil)
        }
    }

    @Test func guestsAreFew() throws {
        var limits = MatchLab.generous
        limits.membersPerGuestKey = 3
        let lab = MatchLab(limits: limits)
        let member = TestMember(1)
        try lab.register(member)
        admit(by: member, in: lab)
        for number in 2...4 { try lab.register(guest(number)) }
        let fourth = guest(5)
        #expect(lab.sendRegister(fourth, proof: try lab.proof(fourth)).status == .full)
        // Members of served groups are not counted with them.
        try lab.register(TestMember(6))
    }

    @Test func whoServesAllKeepsNothing() {
        lab.server.servesAll = true
        #expect(admit().status == .done)
        #expect(end() == nil && lab.server.status.admissions == 0)
    }

    @Test func tooManyAreRefused() throws {
        var limits = MatchLab.generous
        limits.requestsPerGroup = 1
        let lab = MatchLab(limits: limits)
        let member = TestMember(1)
        try lab.register(member)
        let statuses = (0..<8).map { _ in admit(by: member, in: lab).status }
        #expect(statuses.first == .done && statuses.last == .tooOften)
    }

    @Test func otherInstancesAreTold() throws {
        _ = lab.events()
        admit(for: 600)
        let admission = MirroredAdmission(owner: MatchLab.matchKey, guest: Self.hash(1), lifetime: 600)
        #expect(lab.events() == [.admitted(admission)])
        let other = MatchLab()
        let isTaken = other.server.mirror(admission, now: other.now)
        let end = other.server.admissionEnd(of: Self.hash(1), now: other.now)
        #expect(isTaken && end == other.now + .seconds(600))
        #expect(other.events().isEmpty)
        lab.pass(.seconds(100))
        let held = lab.server.heldAdmissions(now: lab.now)
        #expect(held == [MirroredAdmission(owner: MatchLab.matchKey, guest: Self.hash(1), lifetime: 500)])
    }
}
