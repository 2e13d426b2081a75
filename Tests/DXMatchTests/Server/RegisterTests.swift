import DXWire
import Testing

@testable import DXMatch

/// REGISTER and LEAVE (`docs/matchmaking.md` §4.1).
@Suite struct RegisterTests {
    @Test func aMemberIsListedOnceItsAddressIsProved() throws {
        let lab = MatchLab()
        let member = TestMember(1)
        let proof = try lab.proof(member)
        #expect(lab.server.status.registrations == 0)
        guard case .answer(.registered(let answer), _) = lab.sendRegister(member, proof: proof) else {
            Issue.record("not registered")
            return
        }
        #expect(answer.observed == member.address)
        #expect(answer.lifetime == 600 && answer.memberCount == 1)
        #expect(lab.server.status.registrations == 1)
        let held = try #require(lab.server.audit(MatchLab.groupTag, now: lab.now).first)
        #expect(
            held.key == RegistrationKey(matchKey: member.matchKey, groupTag: member.groupTag, memberTag: member.tag))
        #expect(held.blob == member.blob && held.handle == answer.handle && held.remaining == .seconds(600))
    }

    /// Whoever cannot hear at an address costs it nothing: no memory, and not one signature.
    @Test func proofsOfOthersAreNone() throws {
        let lab = MatchLab()
        let (member, other) = (TestMember(1), TestMember(2))
        let proof = try lab.proof(member)
        // From another port, from another address, for another member, made up.
        #expect(lab.sendRegister(member, proof: proof, from: member.address.withPort(1)).status == .proveAddress)
        #expect(lab.sendRegister(member, proof: proof, from: other.address).status == .proveAddress)
        #expect(lab.sendRegister(other, proof: proof, from: member.address).status == .proveAddress)
        #expect(lab.sendRegister(member, proof: AddressProof(high: 1, low: 1)).status == .proveAddress)
        #expect(lab.server.status.registrations == 0)
        #expect(lab.sendRegister(member, proof: proof).status == .done)
    }

    @Test func aProofIsGoodInItsSlotAndTheNext() throws {
        let lab = MatchLab()
        // The end of a slot of 30 s, and the start.
        lab.now = .zero + .seconds(3_000) - .milliseconds(1)
        let member = TestMember(1)
        let late = try lab.proof(member)
        lab.now = .zero + .seconds(3_030) - .milliseconds(1)
        #expect(lab.sendRegister(member, proof: late).status == .done)
        lab.now = .zero + .seconds(3_030)
        #expect(lab.sendRegister(member, proof: late).status == .proveAddress)
    }

    @Test func nobodyTakesAnothersPlace() throws {
        let lab = MatchLab()
        let (member, thief) = (TestMember(1), TestMember(2))
        try lab.register(member)
        // The thief has a ticket of the same group, an address of its own, and the member's public key.
        thief.revision = 9
        let claim = TestMember(1)
        claim.answerKey = thief.answerKey
        claim.address = thief.address
        claim.revision = 9
        let proof = try lab.proof(claim)
        #expect(lab.sendRegister(claim, proof: proof, signedBy: thief.key).status == .wrongSignature)
        let held = try #require(lab.server.audit(MatchLab.groupTag, now: lab.now).first)
        #expect(held.address == member.address && held.revision == 1)
        #expect(lab.server.statistics.wrongSignatures == 1)
    }

    /// The signature covers all that is listed: a ticket holder cannot send on what a member signed for less.
    @Test(
        arguments: [
            { $0.revision += 1 }, { $0.lifetime += 1 }, { $0.groupTag = GroupTag(high: 0xbb, low: 2) },
            { $0.blob[0] ^= 1 },
        ] as [@Sendable (TestMember) -> Void])
    func whatWasNotSignedIsRefused(change: @Sendable (TestMember) -> Void) throws {
        let lab = MatchLab()
        let member = TestMember(1)
        let proof = try lab.proof(member)
        var register = RegisterRequest(
            groupTag: member.groupTag, memberKey: member.key, revision: member.revision, lifetime: member.lifetime,
            proof: proof)
        let blobHash = lab.cryptography.sha256(member.blob.raw)
        let text = Written.bytes { register.writeSigned(pin: MatchLab.pin, blobHash: blobHash, to: &$0) }
        register.signature = lab.cryptography.sign(text.raw, by: member.key)
        change(member)
        register.groupTag = member.groupTag
        register.revision = member.revision
        register.lifetime = member.lifetime
        let (signed, blob) = (register, member.blob)
        let reply = lab.send(member) { signed.write(blob: blob.raw, to: &$0) }
        #expect(reply.status == .wrongSignature)
        #expect(lab.server.status.registrations == 0)
    }

    @Test func aLowerRevisionIsStale() throws {
        let lab = MatchLab()
        let member = TestMember(1)
        member.revision = 5
        try lab.register(member)
        let proof = try lab.proof(member)
        member.revision = 4
        #expect(lab.sendRegister(member, proof: proof).status == .stale)
        member.revision = 5
        #expect(lab.sendRegister(member, proof: proof).status == .done)
        member.revision = 6
        member.blob = [1, 2, 3]
        #expect(lab.sendRegister(member, proof: proof).status == .done)
        #expect(lab.server.audit(MatchLab.groupTag, now: lab.now).map(\.blob) == [[1, 2, 3]])
    }

    @Test func anOldRequestIsNotTakenAgain() throws {
        let lab = MatchLab()
        let member = TestMember(1)
        try lab.register(member)
        let proof = try lab.proof(member)
        let place = member.address
        // It moves; then somebody sends its older REGISTER again, from the address that it left.
        member.address = Endpoint(v4: 0x0b00_0001, port: 7)
        try lab.register(member)
        #expect(lab.sendRegister(member, proof: proof, sequence: 3, from: place) == .dropped(.replayed))
        #expect(lab.server.audit(MatchLab.groupTag, now: lab.now).map(\.address) == [member.address])
    }

    /// The answer may have been lost: what is sent again is answered again, and changes nothing.
    @Test func theSameRequestAgainHasTheSameAnswer() throws {
        let lab = MatchLab()
        let member = TestMember(1)
        let proof = try lab.proof(member)
        let first = lab.sendRegister(member, proof: proof, sequence: 50)
        #expect(lab.sendRegister(member, proof: proof, sequence: 50) == first)
        #expect(lab.server.status.registrations == 1)
    }

    @Test func anotherTicketGivesAnotherHandle() throws {
        let lab = MatchLab()
        let member = TestMember(1)
        let first = try lab.register(member).handle
        #expect(try lab.register(member).handle == first)
        let old = member.answerKey
        member.takeTicket()
        let second = try lab.register(member).handle
        #expect(second != first)
        // Nothing is left under the old ticket.
        member.handle = first
        member.answerKey = old
        #expect(throws: MatchServerDrop.unknownHandle) { try lab.refresh(member) }
        #expect(lab.server.status.registrations == 1)
    }

    @Test func lifetimesAreBroughtIntoTheirRange() throws {
        let lab = MatchLab()
        let member = TestMember(1)
        for (wanted, granted) in [(0, 60), (59, 60), (60, 60), (7_200, 7_200), (7_201, 7_200), (65_535, 7_200)] {
            member.lifetime = UInt16(wanted)
            member.revision += 1
            #expect(try lab.register(member).lifetime == granted)
        }
    }

    @Test func aTicketWithoutAKeyServesObserveOnly() throws {
        let lab = MatchLab()
        let member = TestMember(1)
        member.matchKey = .zero
        #expect(lab.sendRegister(member, proof: .zero).status == .notServed)
        let reply = lab.send(member) { MatchRequest.writeObserve(to: &$0) }
        guard case .answer(.observed(let address), _) = reply else {
            Issue.record("\(reply)")
            return
        }
        #expect(address == member.address)
    }

    @Test func groupsOfOtherMatchKeysAreOthers() throws {
        let lab = MatchLab()
        let (member, other) = (TestMember(1), TestMember(2))
        other.matchKey = MatchKeyHash(high: 0xaa, low: 2)
        try lab.register(member)
        #expect(try lab.register(other).memberCount == 1)
        #expect(lab.server.status.groups == 2 && lab.server.status.matchKeys == 2)
        #expect(lab.introduce(member, to: other.tag, nonce: 1).status == .unknownMember)
        #expect(try lab.roster(member).entries.isEmpty)
    }

    @Test func leavingIsForgetting() throws {
        let lab = MatchLab()
        let (member, other) = (TestMember(1), TestMember(2))
        try lab.register(member)
        try lab.register(other)
        // Somebody else's handle is of no use.
        let handle = member.handle
        #expect(lab.send(other) { MatchRequest.writeLeave(handle, to: &$0) }.status == .notRegistered)
        #expect(lab.send(member) { MatchRequest.writeLeave(handle, to: &$0) }.status == .done)
        #expect(lab.send(member) { MatchRequest.writeLeave(handle, to: &$0) }.status == .notRegistered)
        #expect(lab.server.audit(MatchLab.groupTag, now: lab.now).map(\.key.memberTag) == [other.tag])
        #expect(throws: MatchServerDrop.unknownHandle) { try lab.refresh(member) }
    }

    @Test func whatCannotBeReadIsSaid() {
        let lab = MatchLab()
        let member = TestMember(1)
        #expect(lab.send([], member) == .dropped(.malformed))
        #expect(lab.send([9, 1, 2], member).status == .malformed)
        #expect(lab.send([2, 1, 2], member).status == .malformed)
        #expect(lab.send([3], member).status == .malformed)
        #expect(lab.server.statistics.malformed == 1)
    }
}
