import DXWire
import Testing

@testable import DXMatch

/// Full tables, floods, and an instance that is going away.
@Suite struct LimitTests {
    private func lab(_ change: (inout MatchServerLimits) -> Void) -> MatchLab {
        var limits = MatchLab.generous
        change(&limits)
        return MatchLab(limits: limits)
    }

    /// Who is registered stays so and may change; who is not has to wait until there is room.
    private func expectFull(_ lab: MatchLab, _ member: TestMember, _ refused: TestMember) throws {
        #expect(lab.sendRegister(refused, proof: try lab.proof(refused)).status == .full)
        member.revision += 1
        try lab.register(member)
        let handle = member.handle
        #expect(lab.send(member) { MatchRequest.writeLeave(handle, to: &$0) }.status == .done)
        try lab.register(refused)
    }

    @Test func theWholeIsLimited() throws {
        let lab = lab { $0.registrations = 3 }
        let members = (0..<4).map { TestMember($0) }
        for (index, member) in members.enumerated() { member.matchKey = MatchKeyHash(high: 1, low: UInt64(index + 1)) }
        for member in members[..<3] { try lab.register(member) }
        try expectFull(lab, members[1], members[3])
    }

    @Test func aGroupIsLimited() throws {
        let lab = lab { $0.membersPerGroup = 2 }
        let members = (0..<3).map { TestMember($0) }
        for member in members[..<2] { try lab.register(member) }
        try expectFull(lab, members[0], members[2])
        let stranger = TestMember(5)
        stranger.groupTag = GroupTag(high: 5, low: 5)
        try lab.register(stranger)
    }

    @Test func theGroupsOfAKeyAreLimited() throws {
        let lab = lab { $0.groupsPerMatchKey = 2 }
        let members = (0..<3).map { TestMember($0) }
        for (index, member) in members.enumerated() { member.groupTag = GroupTag(high: 1, low: UInt64(index)) }
        for member in members[..<2] { try lab.register(member) }
        try expectFull(lab, members[0], members[2])
    }

    @Test func theMembersOfAKeyAreLimited() throws {
        let lab = lab { $0.membersPerMatchKey = 2 }
        let members = (0..<3).map { TestMember($0) }
        for (index, member) in members.enumerated() { member.groupTag = GroupTag(high: 1, low: UInt64(index)) }
        for member in members[..<2] { try lab.register(member) }
        try expectFull(lab, members[0], members[2])
    }

    @Test func aPrefixHasItsShareOfRequests() throws {
        let lab = lab {
            $0.requestsPerPrefix = 10
            $0.sharedPrefixes = 1
        }
        let (member, neighbour, other) = (TestMember(1), TestMember(1), TestMember(2))
        neighbour.address = member.address.withPort(9)
        func observe(_ member: TestMember) -> MatchLab.Reply { lab.send(member) { MatchRequest.writeObserve(to: &$0) } }
        for _ in 0..<20 { #expect(observe(member).status == .done) }
        #expect(observe(member) == .dropped(.rateLimited))
        #expect(observe(neighbour) == .dropped(.rateLimited))
        #expect(observe(other).status == .done)
        lab.now += .milliseconds(100)
        #expect(observe(neighbour).status == .done)
        #expect(observe(member) == .dropped(.rateLimited))
    }

    /// Anybody can write a member's address on what he sends, and have all of its prefix's share. What the member sends from an
    /// address that it proved still gets through.
    @Test func nobodyUsesUpWhatAProvedAddressHas() throws {
        let lab = lab {
            $0.requestsPerPrefix = 10
            $0.sharedPrefixes = 1
        }
        let (member, newcomer, hostile) = (TestMember(1), TestMember(1), TestMember(2))
        try lab.register(member)
        newcomer.address = member.address.withPort(9)
        let proof = try lab.proof(newcomer)
        while lab.send([1], hostile, from: member.address).status == .done {}
        #expect(
            lab.send(hostile, from: member.address) { MatchRequest.writeLeave(member.handle, to: &$0) }
                == .dropped(.rateLimited))
        #expect(lab.send([1], member) == .dropped(.rateLimited))
        #expect(lab.sendRegister(newcomer, proof: .zero) == .dropped(.rateLimited))
        _ = try lab.roster(member)
        _ = try lab.refresh(member)
        #expect(lab.introduce(member, to: hostile.tag, nonce: 1).status == .unknownMember)
        let request = RosterRequest(handle: member.handle)
        #expect(lab.send(member, from: newcomer.address) { request.write(to: &$0) } == .dropped(.rateLimited))
        newcomer.takeTicket()
        #expect(lab.sendRegister(newcomer, proof: proof).status == .done)
    }

    @Test func aPrefixHasItsShareOfSignatures() throws {
        let lab = lab { $0.signaturesPerPrefix = 2 }
        let member = TestMember(1)
        let proof = try lab.proof(member)
        let thief = TestMember(2)
        for _ in 0..<4 {
            #expect(lab.sendRegister(member, proof: proof, signedBy: thief.key).status == .wrongSignature)
        }
        #expect(lab.sendRegister(member, proof: proof).status == .tooOften)
        // A first REGISTER costs no signature.
        #expect(lab.sendRegister(member, proof: .zero).status == .proveAddress)
        lab.now += .seconds(1)
        #expect(lab.sendRegister(member, proof: proof).status == .done)
    }

    @Test func aGroupHasItsShareOfRequests() throws {
        let lab = lab { $0.requestsPerGroup = 2 }
        let (member, other) = (TestMember(1), TestMember(2))
        try lab.register(member)
        try lab.register(other)
        other.groupTag = GroupTag(high: 9, low: 9)
        // The first REGISTER made the group; the second took one of eight.
        for _ in 0..<7 { _ = try lab.roster(member) }
        let request = RosterRequest(handle: member.handle)
        #expect(lab.send(member, paddedTo: 600) { request.write(to: &$0) }.status == .tooOften)
        try lab.register(other)
        lab.now += .milliseconds(500)
        _ = try lab.roster(member)
    }

    /// 100,000 prefixes ask at once: that takes no memory, and who was there before still gets through.
    @Test func aFloodFromManyPrefixesTakesNoMemory() throws {
        var limits = MatchServerLimits()
        limits.prefixes = 4_096
        let lab = MatchLab(limits: limits)
        let member = TestMember(1)
        try lab.register(member)
        let before = lab.server.requestBudget.byteCount + lab.server.status.registryByteCount
        let flooder = TestMember(2)
        var served = 0
        for number in 0..<100_000 {
            let from = Endpoint(v4: UInt32(truncatingIfNeeded: number) << 8 | 0x4000_0001, port: 1)
            if lab.send([1], flooder, from: from).status == .done { served += 1 }
            if number % 1_000 == 0 {
                let reply = lab.send(member) { MatchRequest.writeObserve(to: &$0) }
                #expect(reply.status == .done)
            }
        }
        #expect(lab.server.requestBudget.byteCount + lab.server.status.registryByteCount == before)
        // Once for every place but the member's, and what all others share: eight times the 200 of one prefix.
        #expect(served > 4_096 && served <= 4_095 + 1_600, "\(served)")
        #expect(lab.server.statistics.rateLimited == 100_000 - UInt64(served))
        _ = try lab.refresh(member)
    }

    @Test func whoIsLeavingTakesNobodyNew() throws {
        let lab = MatchLab()
        let (member, newcomer) = (TestMember(1), TestMember(2))
        try lab.register(member)
        lab.server.isLeaving = true
        #expect(lab.sendRegister(newcomer, proof: try lab.proof(newcomer)).status == .leaving)
        member.revision += 1
        try lab.register(member)
        let answer = try #require(try lab.refresh(member))
        #expect(answer.flags.contains(.leaving))
        // This cannot be left out, even for who wants no answer.
        #expect(try lab.refresh(member, flags: RefreshMessage.wantsNoAnswer) != nil)
        #expect(lab.server.status.isLeaving)
    }
}
