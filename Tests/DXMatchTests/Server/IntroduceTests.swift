import DXWire
import Testing

@testable import DXMatch

/// INTRODUCE and NOTICE (`docs/matchmaking.md` §4.2).
@Suite struct IntroduceTests {
    private func pair(_ lab: MatchLab) throws -> (TestMember, TestMember) {
        let (asker, other) = (TestMember(1), TestMember(2))
        other.socket = 3
        try lab.register(asker)
        try lab.register(other)
        return (asker, other)
    }

    @Test func bothAreToldOfEachOther() throws {
        let lab = MatchLab()
        let (asker, other) = try pair(lab)
        other.revision = 4
        try lab.register(other)
        let reply = lab.introduce(asker, to: other.tag, nonce: 77, blob: [1, 2, 3])
        guard case .answer(.introduced(let answer), let bytes) = reply else {
            Issue.record("\(reply)")
            return
        }
        #expect(answer.address == other.address && answer.revision == 4 && bytes[answer.blob] == other.blob)
        let notice = try #require(lab.notices().first)
        #expect(notice.transmit.destination == other.address && notice.transmit.socket == 3)
        #expect(notice.transmit.handle == other.handle && notice.transmit.number == 1)
        let key = lab.cryptography.handleKey(other.handle, answerKey: other.answerKey)
        #expect(notice.transmit.key == lab.cryptography.noticeKey(key))
        #expect(notice.notice.memberTag == asker.tag && notice.notice.address == asker.address)
        #expect(notice.notice.nonce == 77 && notice.notice.revision == 1 && notice.blob == [1, 2, 3])
    }

    @Test func withoutABlobTheRegisteredOneIsSent() throws {
        let lab = MatchLab()
        let (asker, other) = try pair(lab)
        #expect(lab.introduce(asker, to: other.tag, nonce: 1).status == .done)
        #expect(lab.notices().map(\.blob) == [asker.blob])
    }

    @Test func aNoticeIsSentThreeTimes() throws {
        let lab = MatchLab()
        let (asker, other) = try pair(lab)
        #expect(lab.introduce(asker, to: other.tag, nonce: 1).status == .done)
        let start = lab.now
        var sent: [Interval] = []
        for _ in 0..<200 {
            for notice in lab.notices() {
                #expect(notice.transmit.number == 1)
                sent.append(lab.now - start)
            }
            lab.now += .milliseconds(10)
        }
        #expect(sent == [.zero, .milliseconds(250), .milliseconds(750)])
        #expect(lab.server.status.pendingNotices == 0)
    }

    @Test func theMachineSaysWhenANoticeIsDue() throws {
        let lab = MatchLab()
        let (asker, other) = try pair(lab)
        #expect(lab.introduce(asker, to: other.tag, nonce: 1).status == .done)
        let start = lab.now
        #expect(lab.nextTimeout == start)
        _ = lab.notices()
        #expect(lab.nextTimeout == start + .milliseconds(250))
        lab.now = start + .milliseconds(250)
        #expect(lab.notices().count == 1)
        #expect(try #require(lab.nextTimeout) <= start + .milliseconds(1_000))
    }

    /// Each REFRESH that names a notice ends that one and no other.
    @Test func whatIsAcknowledgedIsNotSentAgain() throws {
        let lab = MatchLab()
        let (asker, other) = try pair(lab)
        let third = TestMember(3)
        try lab.register(third)
        #expect(lab.introduce(asker, to: other.tag, nonce: 1).status == .done)
        #expect(lab.introduce(third, to: other.tag, nonce: 2).status == .done)
        #expect(lab.notices().map(\.transmit.number) == [1, 2])
        _ = try lab.refresh(other, notice: 2)
        // Not from elsewhere, and not what was never sent.
        _ = try lab.refresh(other, notice: 1, from: asker.address)
        _ = try lab.refresh(other, notice: 9)
        lab.now += .milliseconds(250)
        #expect(lab.notices().map(\.transmit.number) == [1])
        _ = try lab.refresh(other, notice: 1, flags: RefreshMessage.wantsNoAnswer)
        lab.now += .seconds(1)
        #expect(lab.notices().isEmpty)
        #expect(lab.server.statistics.acknowledged == 2 && lab.server.status.pendingNotices == 0)
    }

    /// A notice that takes the place of one that was acknowledged has its own times, not those of the other.
    @Test func aNoticeInThePlaceOfAnotherKeepsItsTimes() throws {
        let lab = MatchLab()
        let (asker, other) = try pair(lab)
        #expect(lab.introduce(asker, to: other.tag, nonce: 1).status == .done)
        let start = lab.now
        var sent: [Interval] = []
        for step in 0..<200 {
            if step == 5 { _ = try lab.refresh(other, notice: 1) }
            if step == 10 { #expect(lab.introduce(asker, to: other.tag, nonce: 2).status == .done) }
            for notice in lab.notices() where notice.notice.nonce == 2 { sent.append(lab.now - start) }
            lab.now += .milliseconds(10)
        }
        #expect(sent == [.milliseconds(100), .milliseconds(350), .milliseconds(850)])
    }

    /// The answer may have been lost; the other is not told twice.
    @Test func theSameNonceIsTheSameIntroduction() throws {
        let lab = MatchLab()
        let (asker, other) = try pair(lab)
        #expect(lab.introduce(asker, to: other.tag, nonce: 1).status == .done)
        for _ in 0..<20 { #expect(lab.introduce(asker, to: other.tag, nonce: 1).status == .done) }
        #expect(lab.notices().count == 1)
        #expect(lab.server.statistics.introductions == 1)
        // The other way round it is another one.
        #expect(lab.introduce(other, to: asker.tag, nonce: 1).status == .done)
        #expect(lab.notices().count == 1)
    }

    @Test func aPairHasItsShare() throws {
        let lab = MatchLab()
        let (asker, other) = try pair(lab)
        for nonce in 1...8 as ClosedRange<UInt64> {
            #expect(lab.introduce(asker, to: other.tag, nonce: nonce).status == .done)
        }
        #expect(lab.introduce(asker, to: other.tag, nonce: 9).status == .tooOften)
        #expect(lab.introduce(asker, to: other.tag, nonce: 3).status == .done)
        #expect(lab.introduce(other, to: asker.tag, nonce: 9).status == .done)
        lab.now += .seconds(60)
        #expect(lab.introduce(asker, to: other.tag, nonce: 9).status == .done)
    }

    @Test func anAskerHasItsShare() throws {
        let lab = MatchLab()
        let asker = TestMember(0)
        try lab.register(asker)
        let others = (1...61).map { TestMember($0) }
        for other in others { try lab.register(other) }
        for other in others[..<60] { #expect(lab.introduce(asker, to: other.tag, nonce: 1).status == .done) }
        #expect(lab.introduce(asker, to: others[60].tag, nonce: 1).status == .tooOften)
        lab.now += .seconds(1)
        #expect(lab.introduce(asker, to: others[60].tag, nonce: 1).status == .done)
    }

    @Test func aTargetHasItsShare() throws {
        let lab = MatchLab()
        let target = TestMember(0)
        try lab.register(target)
        let askers = (1...21).map { TestMember($0) }
        for asker in askers { try lab.register(asker) }
        for asker in askers[..<20] { #expect(lab.introduce(asker, to: target.tag, nonce: 1).status == .done) }
        #expect(lab.introduce(askers[20], to: target.tag, nonce: 1).status == .tooOften)
        #expect(lab.notices().count == 20)
        lab.now += .milliseconds(50)
        #expect(lab.introduce(askers[20], to: target.tag, nonce: 1).status == .done)
    }

    @Test func onlyMembersOfTheOwnGroupCanBeMet() throws {
        let lab = MatchLab()
        let (asker, _) = try pair(lab)
        let stranger = TestMember(3)
        stranger.groupTag = GroupTag(high: 7, low: 7)
        try lab.register(stranger)
        #expect(lab.introduce(asker, to: stranger.tag, nonce: 1).status == .unknownMember)
        #expect(lab.introduce(asker, to: TestMember(9).tag, nonce: 1).status == .unknownMember)
        #expect(lab.introduce(asker, to: asker.tag, nonce: 1).status == .unknownMember)
        // Nor with somebody's handle.
        stranger.handle = asker.handle
        #expect(lab.introduce(stranger, to: asker.tag, nonce: 1).status == .notRegistered)
        #expect(lab.notices().isEmpty)
    }

    @Test func aRequestThatIsTooSmallMakesNoIntroduction() throws {
        let lab = MatchLab()
        let (asker, other) = try pair(lab)
        other.revision += 1
        other.blob = [UInt8](repeating: 1, count: 600)
        try lab.register(other)
        let needed = AnswerMessage.requestBody(toHear: IntroducedAnswer.fixedByteCount(other.address) + 600)
        #expect(lab.introduce(asker, to: other.tag, nonce: 1, paddedTo: needed - 1).status == .tooSmall)
        #expect(lab.notices().isEmpty)
        #expect(lab.introduce(asker, to: other.tag, nonce: 1, paddedTo: needed).status == .done)
    }

    @Test func aRepeatedNoticeFollowsTheMember() throws {
        let lab = MatchLab()
        let (asker, other) = try pair(lab)
        #expect(lab.introduce(asker, to: other.tag, nonce: 1).status == .done)
        #expect(lab.notices().count == 1)
        other.address = other.address.withPort(1)
        other.revision += 1
        try lab.register(other)
        lab.now += .milliseconds(250)
        #expect(lab.notices().map(\.transmit.destination) == [other.address])
        // With another ticket it has another key, and asks for the roster anyway.
        other.takeTicket()
        try lab.register(other)
        lab.now += .milliseconds(500)
        #expect(lab.notices().isEmpty)
        #expect(lab.server.status.pendingNotices == 0)
    }

    @Test func noticesThatWaitAreLimited() throws {
        var limits = MatchLab.generous
        limits.notices = 2
        let lab = MatchLab(limits: limits)
        let members = (0..<4).map { TestMember($0) }
        for member in members { try lab.register(member) }
        #expect(lab.introduce(members[0], to: members[1].tag, nonce: 1).status == .done)
        #expect(lab.introduce(members[0], to: members[2].tag, nonce: 1).status == .done)
        #expect(lab.introduce(members[0], to: members[3].tag, nonce: 1).status == .tooOften)
        _ = lab.notices()
        _ = try lab.refresh(members[1], notice: 1)
        #expect(lab.introduce(members[0], to: members[3].tag, nonce: 1).status == .done)
    }
}
