import DXMatch
import DXSecure
import DXWire
import Testing

@testable import DXMatchServer

/// Those whom a member admits, at a matchmaker that serves listed groups (`docs/matchmaking.md` §4.4).
@Suite struct AdmissionTests {
    private let guestKey = try! Identity.generate()

    private func admit(_ key: Identity, by member: TestGateway, for lifetime: UInt16) throws -> MatchAnswer {
        let request = AdmitRequest(handle: member.handle, guestKey: TestGateway.point(key), lifetime: lifetime)
        return try member.answer([UInt8](capacity: AdmitRequest.byteCount) { request.write(to: &$0) })
    }

    /// A member that is registered.
    private func member(_ lab: FrontLab) throws -> TestGateway {
        let member = try lab.member(1)
        try member.takeTicket()
        try member.register()
        return member
    }

    private func guest(_ number: Int, _ lab: FrontLab) throws -> TestGateway {
        let guest = try lab.gateway(number, matchKey: guestKey)
        guest.groupTag = GroupTag(high: 0xcc, low: 1)
        return guest
    }

    @Test func guestsMeetWhileTheyAreAdmitted() throws {
        let lab = try FrontLab()
        let (one, other) = (try guest(2, lab), try guest(3, lab))
        #expect(try one.takeTicket().result == .notServed)
        let host = try member(lab)
        #expect(try admit(guestKey, by: host, for: 600) == .admitted(lifetime: 600))
        try lab.pass(.seconds(100))
        for guest in [one, other] {
            let granted = try guest.takeTicket()
            #expect(granted.result == .granted && granted.lifetime == 500)
            #expect(try guest.register().lifetime == 500)
        }
        #expect(try one.roster().map(\.entry.memberTag) == [other.memberTag])
        guard case .introduced(let answer) = try one.introduce(other.memberTag, nonce: 5) else {
            Issue.record("not introduced")
            return
        }
        #expect(answer.address == other.transport.address)
        #expect(try #require(try other.hearNotice()).notice.memberTag == one.memberTag)
        // They see nothing of the group that admitted them, and vouch for nobody.
        #expect(try one.introduce(host.memberTag, nonce: 6) == .status(.introduce, .unknownMember))
        #expect(try admit(try Identity.generate(), by: one, for: 600) == .status(.admit, .notServed))
        #expect(try admit(guestKey, by: one, for: 600) == .status(.admit, .notServed))
        // At the end of the admission all of it ends, whatever they do.
        try lab.pass(.seconds(499))
        _ = try one.refresh()
        try lab.pass(.seconds(2))
        #expect(try one.refresh() == nil)
        #expect(throws: TestGateway.Failure.self) { try one.observe() }
        #expect(lab.front.statistics.ticketsRefused == 1)
        #expect(try other.takeTicket().result == .notServed)
        #expect(lab.front.audit(one.groupTag, now: lab.now).isEmpty)
    }

    @Test func ticketsNearTheEndAreGoodForAMinute() throws {
        let lab = try FrontLab()
        let host = try member(lab)
        _ = try admit(guestKey, by: host, for: 600)
        try lab.pass(.seconds(595))
        let guest = try guest(2, lab)
        #expect(try guest.takeTicket().lifetime == 60)
        _ = try guest.observe()
        try lab.pass(.seconds(6))
        #expect(throws: TestGateway.Failure.self) { try guest.observe() }
    }

    @Test func guestsGoWithTheGroupThatAdmittedThem() throws {
        let (otherKey, lab) = (try Identity.generate(), try FrontLab())
        lab.front.groups = .listed([FrontLab.hash(lab.matchKey), FrontLab.hash(otherKey)])
        let host = try member(lab)
        _ = try admit(guestKey, by: host, for: 600)
        let guest = try guest(2, lab)
        try guest.takeTicket()
        try guest.register()
        // Another list with the host in it changes nothing.
        lab.front.groups = .listed([FrontLab.hash(lab.matchKey)])
        #expect(lab.front.status.server.registrations == 2)
        lab.front.groups = .listed([FrontLab.hash(otherKey)])
        #expect(lab.front.status.server.registrations == 0 && lab.front.status.server.admissions == 0)
        #expect(throws: TestGateway.Failure.self) { try guest.observe() }
    }

    /// A group of the list is nobody's guest, whoever admits it.
    @Test func aListedGroupCannotBeMadeAGuest() throws {
        let lab = try FrontLab()
        lab.front.groups = .listed([FrontLab.hash(lab.matchKey), FrontLab.hash(guestKey)])
        let host = try member(lab)
        _ = try admit(guestKey, by: host, for: 60)
        let other = try guest(2, lab)
        #expect(try other.takeTicket().lifetime == 86_400)
        try other.register()
        #expect(try admit(try Identity.generate(), by: other, for: 600) == .admitted(lifetime: 600))
        try lab.pass(.seconds(100))
        #expect(try other.refresh() != nil)
    }

    @Test func whoServesEverybodyAdmitsNobody() throws {
        let lab = try FrontLab(groups: .open)
        #expect(try admit(guestKey, by: try member(lab), for: 600) == .admitted(lifetime: 600))
        #expect(lab.front.status.server.admissions == 0)
        #expect(try guest(2, lab).takeTicket().lifetime == 86_400)
    }

    /// What another instance admitted, if that one's group is served here too.
    @Test func otherInstancesServeThemToo() throws {
        let lab = try FrontLab()
        let guest = try guest(2, lab)
        func told(_ owner: Identity) -> MirrorMessage {
            .admitted(
                MirroredAdmission(owner: FrontLab.hash(owner), guest: FrontLab.hash(guestKey), lifetime: 600))
        }
        lab.front.take(told(try Identity.generate()), now: lab.now)
        #expect(try guest.takeTicket().result == .notServed)
        lab.front.take(told(lab.matchKey), now: lab.now)
        #expect(try guest.takeTicket().lifetime == 600)
        #expect(lab.front.heldAdmissions(now: lab.now).count == 1)
    }
}
