import DXWire
import Testing

@testable import DXMatch

/// ROSTER (`docs/matchmaking.md` §4).
@Suite struct RosterTests {
    private func pages(_ lab: MatchLab, _ asker: TestMember, paddedTo: Int, between: () throws -> Void = {}) throws
        -> [[MemberTag]]
    {
        var pages: [[MemberTag]] = []
        var cursor = MemberTag.zero
        repeat {
            let page = try lab.roster(asker, cursor: cursor, paddedTo: paddedTo)
            pages.append(page.entries.map(\.memberTag))
            cursor = page.next
            try between()
        } while cursor != .zero && pages.count < 1_000
        return pages
    }

    @Test(arguments: [600, 700, RequestMessage.maximumBody])
    func everyoneButTheAskerIsOnOnePage(paddedTo: Int) throws {
        let lab = MatchLab()
        let members = (0..<50).map { TestMember($0) }
        for member in members { try lab.register(member) }
        let pages = try pages(lab, members[0], paddedTo: paddedTo)
        #expect(pages.flatMap { $0 } == members.dropFirst().map(\.tag).sorted())
        #expect(pages.count > 1 && pages.allSatisfy { !$0.isEmpty })
    }

    @Test func entriesAreWhatWasRegistered() throws {
        let lab = MatchLab()
        let (asker, member) = (TestMember(1), TestMember(2))
        member.address = Endpoint(v6High: 0x2001_0db8_0000_0000, low: 7, port: 99)
        member.revision = 12
        try lab.register(asker)
        try lab.register(member)
        let page = try lab.roster(asker)
        #expect(page.entries.map(\.memberTag) == [member.tag])
        #expect(page.entries.map(\.address) == [member.address])
        #expect(page.entries.map(\.revision) == [12])
        #expect(page.blobs == [member.blob] && page.next == .zero)
    }

    /// Members come and go between the pages: who is there from the first to the last is seen once, nobody is seen twice.
    @Test func pagesHoldUnderChange() throws {
        let lab = MatchLab()
        var random = RandomSource(seed: 11)
        let asker = TestMember(0)
        try lab.register(asker)
        let staying = (1..<40).map { TestMember($0) }
        var passing = (100..<160).map { TestMember($0) }
        for member in staying + passing { try lab.register(member) }
        var next = 200
        let pages = try pages(lab, asker, paddedTo: 700) {
            for _ in 0..<4 {
                let place = Int(random.below(UInt64(passing.count)))
                let handle = passing[place].handle
                _ = lab.send(passing[place]) { MatchRequest.writeLeave(handle, to: &$0) }
                passing[place] = TestMember(next)
                next += 1
                try lab.register(passing[place])
            }
        }
        let seen = pages.flatMap { $0 }
        #expect(seen == seen.sorted() && Set(seen).count == seen.count)
        #expect(Set(staying.map(\.tag)).isSubset(of: seen))
        #expect(pages.count > 5)
    }

    @Test func aRequestThatIsTooSmallIsToldSo() throws {
        let lab = MatchLab()
        let (asker, member) = (TestMember(1), TestMember(2))
        member.blob = [UInt8](repeating: 1, count: 600)
        try lab.register(asker)
        let request = RosterRequest(handle: asker.handle)
        // Nobody is there: the least answer fits any request.
        #expect(lab.send(asker) { request.write(to: &$0) }.status == .done)
        try lab.register(member)
        let needed = AnswerMessage.requestBody(
            toHear: RosterAnswer.fixedByteCount + RosterEntry.fixedByteCount(member.address) + 600)
        #expect(lab.send(asker, paddedTo: needed - 1) { request.write(to: &$0) }.status == .tooSmall)
        #expect(lab.send(asker, paddedTo: needed) { request.write(to: &$0) }.status == .done)
    }

    @Test func anotherTicketOfTheGroupIsNotTheAsker() throws {
        let lab = MatchLab()
        let (asker, other) = (TestMember(1), TestMember(2))
        try lab.register(asker)
        try lab.register(other)
        let request = RosterRequest(handle: asker.handle)
        #expect(lab.send(other, paddedTo: 600) { request.write(to: &$0) }.status == .notRegistered)
    }

    @Test func sequencesRise() throws {
        let lab = MatchLab()
        let asker = TestMember(1)
        try lab.register(asker)
        let request = RosterRequest(handle: asker.handle)
        #expect(lab.send(asker, sequence: 90) { request.write(to: &$0) }.status == .done)
        #expect(lab.send(asker, sequence: 90) { request.write(to: &$0) } == .dropped(.replayed))
        #expect(lab.send(asker, sequence: 89) { request.write(to: &$0) } == .dropped(.replayed))
        #expect(lab.send(asker, sequence: 91) { request.write(to: &$0) }.status == .done)
    }
}
