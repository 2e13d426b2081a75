import DXWire
import Testing

@testable import DXMatch

/// Introductions and rosters.
@Suite struct ClientIntroductionTests {
    private func pair(_ lab: ClientLab) throws -> (LabGateway, LabGateway) {
        let (one, other) = (lab.addGateway(), lab.addGateway())
        try lab.register(one)
        try lab.register(other)
        return (one, other)
    }

    private func introduce(
        _ lab: ClientLab, _ gateway: LabGateway, to tag: MemberTag, nonce: UInt64, blob: [UInt8] = []
    ) throws {
        try lab.tell(gateway) { client throws(MatchClientError) in
            try client.introduce(to: tag, nonce: nonce, blob: blob, now: lab.now)
        }
    }

    @Test func bothHearOfEachOtherAtOnce() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let (one, other) = try pair(lab)
        try introduce(lab, one, to: other.tag, nonce: 77)
        lab.pass(.milliseconds(41))
        let them = MatchPeer(memberTag: other.tag, address: other.outside, revision: 1, blob: other.blob)
        #expect(one.events.last == .introduced(them, nonce: 77))
        let us = MatchPeer(memberTag: one.tag, address: one.outside, revision: 1, blob: one.blob)
        #expect(other.events.last == .notice(us, nonce: 77))
        lab.pass(.seconds(5))
        // Acknowledged at once: said once.
        #expect(matchmaker.server.status.statistics.notices == 1)
        #expect(matchmaker.server.status.statistics.acknowledged == 1)
        #expect(other.noticeNonces == [77])
    }

    @Test func anotherBlobMayBeSaidToOne() throws {
        let lab = ClientLab()
        _ = lab.addMatchmaker()
        let (one, other) = try pair(lab)
        try introduce(lab, one, to: other.tag, nonce: 1, blob: [9, 9])
        lab.pass(.seconds(1))
        let us = MatchPeer(memberTag: one.tag, address: one.outside, revision: 1, blob: [9, 9])
        #expect(other.events.contains(.notice(us, nonce: 1)))
    }

    @Test func aLostNoticeComesAgainAndOnce() throws {
        for seed in 0..<20 as Range<UInt64> {
            let lab = ClientLab(seed: seed)
            _ = lab.addMatchmaker()
            let (one, other) = try pair(lab)
            lab.weather.duplication = 0.5
            lab.weather.jitter = .milliseconds(300)
            try introduce(lab, one, to: other.tag, nonce: 3)
            lab.pass(.seconds(5))
            #expect(other.noticeNonces == [3])
        }
    }

    @Test func oneNonceOfTwoMatchmakersOrTwiceIsOneIntroduction() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let (one, other) = try pair(lab)
        try introduce(lab, one, to: other.tag, nonce: 3)
        lab.pass(.seconds(70))
        // The matchmaker has forgotten the nonce, the other has not.
        try introduce(lab, one, to: other.tag, nonce: 3)
        lab.pass(.seconds(1))
        #expect(matchmaker.server.status.statistics.notices == 2 && other.noticeNonces == [3])
        #expect(other.client.status.statistics.repeatedNotices == 1)
    }

    @Test func whoIsNotThereIsSaidAtOnce() throws {
        let lab = ClientLab()
        _ = lab.addMatchmaker()
        let (one, _) = try pair(lab)
        let nobody = MemberTag(high: 1, low: 1)
        try introduce(lab, one, to: nobody, nonce: 4)
        lab.pass(.milliseconds(41))
        #expect(one.events.last == .introductionFailed(nobody, nonce: 4, .unknownMember))
    }

    @Test func tooManyOfAPairAreSaid() throws {
        let lab = ClientLab()
        _ = lab.addMatchmaker()
        let (one, other) = try pair(lab)
        for nonce in 0..<9 as Range<UInt64> { try introduce(lab, one, to: other.tag, nonce: nonce) }
        lab.pass(.seconds(2))
        let failures = one.events.filter { $0 == .introductionFailed(other.tag, nonce: 8, .tooOften) }
        #expect(failures.count == 1 && other.noticeNonces.count == 8)
    }

    @Test func aRegistrationThatIsBeingMadeIsWaitedFor() throws {
        let lab = ClientLab()
        _ = lab.addMatchmaker()
        let other = lab.addGateway()
        try lab.register(other)
        let one = lab.addGateway()
        try lab.tell(one) { client throws(MatchClientError) in
            try client.register(one.registration(), now: lab.now)
            try client.introduce(to: other.tag, nonce: 8, now: lab.now)
        }
        lab.pass(.seconds(1))
        #expect(other.noticeNonces == [8])
    }

    @Test func aSilentMatchmakerFailsThemWithinTenSeconds() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let (one, other) = try pair(lab)
        matchmaker.isSilent = true
        try introduce(lab, one, to: other.tag, nonce: 8)
        lab.pass(.seconds(10))
        #expect(one.events.contains(.introductionFailed(other.tag, nonce: 8, .noAnswer)))
    }

    @Test func aForgetfulMatchmakerIsToldAgainOnce() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let (one, other) = try pair(lab)
        // The other has nothing more to ask for.
        lab.pass(.seconds(1))
        matchmaker.restart(losingKeys: false)
        try introduce(lab, one, to: other.tag, nonce: 8)
        lab.pass(.seconds(1))
        // It knows the asker again, the other not yet.
        #expect(one.events.contains(.introductionFailed(other.tag, nonce: 8, .unknownMember)))
        #expect(one.client.state == .registered)
        // Of two refreshes one is answered.
        lab.pass(.seconds(65))
        try introduce(lab, one, to: other.tag, nonce: 9)
        lab.pass(.seconds(1))
        #expect(other.noticeNonces == [9])
    }

    @Test func anotherRegistrationCancelsThem() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let (one, other) = try pair(lab)
        matchmaker.isSilent = true
        try introduce(lab, one, to: other.tag, nonce: 8)
        try lab.tell(one) { client throws(MatchClientError) in
            try client.register(one.registration(GroupTag(high: 1, low: 1)), now: lab.now)
        }
        #expect(one.events.last == .introductionFailed(other.tag, nonce: 8, .cancelled))
    }

    @Test func introductionsGoOnAcrossARenewal() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        matchmaker.lifetime = 60
        let (one, other) = try pair(lab)
        for nonce in 0..<200 as Range<UInt64> {
            try introduce(lab, one, to: other.tag, nonce: nonce)
            lab.pass(.seconds(16))
        }
        #expect(one.client.status.statistics.tickets > 50)
        // A notice to a name that has just become another is lost; the asker's answer is not.
        let introduced = one.events.filter { event in
            if case .introduced = event { return true }
            return false
        }
        #expect(introduced.count == 200 && other.noticeNonces.count >= 195)
    }

    @Test func theRosterIsReadInPagesAndWhenItChanges() throws {
        let lab = ClientLab()
        _ = lab.addMatchmaker()
        let gateways = (0..<30).map { _ in lab.addGateway() }
        for gateway in gateways { try lab.register(gateway) }
        // The first refresh tells of those who came later; a larger roster is read again later.
        lab.pass(.seconds(600))
        let all = Set(gateways.map(\.tag))
        for gateway in gateways { #expect(gateway.roster == all.subtracting([gateway.tag])) }
        let pages = gateways[0].events.filter { event in
            if case .roster = event { return true }
            return false
        }
        #expect(pages.count > 5)
        // Nothing changes: nothing is read.
        let sent = gateways[0].events.count
        lab.pass(.seconds(1_000))
        #expect(gateways[0].events.count == sent)
        lab.tell(gateways[29]) { $0.stop(now: lab.now) }
        lab.pass(.seconds(400))
        #expect(gateways[0].roster == all.subtracting([gateways[0].tag, gateways[29].tag]))
    }

    /// In a large group somebody comes or goes all the time: who is connected with all that it wants does not read of it.
    @Test func theRosterIsReadWhileSomebodyIsLookedFor() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let (one, other) = (lab.addGateway(), lab.addGateway { $0.readsRoster = false })
        lab.tell(one) { $0.needsRoster(false, now: lab.now) }
        try lab.register(one)
        lab.pass(.seconds(1))
        let first = matchmaker.requests[.roster]
        try #require(first != nil && one.roster == [])
        try lab.register(other)
        lab.pass(.seconds(600))
        #expect(matchmaker.requests[.roster] == first && one.roster == [])
        // What was told meanwhile counts now.
        lab.tell(one) { $0.needsRoster(true, now: lab.now) }
        lab.pass(.seconds(1))
        #expect(one.roster == [other.tag])
        lab.tell(one) { $0.needsRoster(false, now: lab.now) }
        let count = matchmaker.requests[.roster]
        lab.tell(other) { $0.stop(now: lab.now) }
        lab.pass(.seconds(600))
        #expect(matchmaker.requests[.roster] == count && one.roster == [other.tag])
        // The owner's wish is one that it has now.
        lab.tell(one) { $0.readRoster(now: lab.now) }
        lab.pass(.seconds(1))
        #expect(one.roster == [])
    }

    /// A page that was asked for when the network changed.
    @Test func aRosterIsReadAgainInAnotherNetwork() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let (one, other) = try pair(lab)
        lab.pass(.seconds(100))
        one.events = []
        matchmaker.isSilent = true
        lab.tell(one) { $0.readRoster(now: lab.now) }
        lab.tell(one) { $0.networkChanged(now: lab.now) }
        lab.pass(.seconds(3))
        matchmaker.isSilent = false
        lab.pass(.seconds(30))
        #expect(one.client.state == .registered && one.roster == [other.tag])
    }

    @Test func theRosterIsNotReadByWhoDoesNotWantIt() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let (one, other) = (lab.addGateway { $0.readsRoster = false }, lab.addGateway { $0.readsRoster = false })
        try lab.register(one)
        try lab.register(other)
        lab.pass(.seconds(100))
        #expect(matchmaker.requests[.roster] == nil)
        lab.tell(one) { $0.readRoster(now: lab.now) }
        lab.pass(.seconds(1))
        #expect(one.roster == [other.tag])
    }
}
