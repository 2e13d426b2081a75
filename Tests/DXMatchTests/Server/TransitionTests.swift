import DXWire
import Testing

@testable import DXMatch

/// Every input in every state that a member can be in, and what it is in afterwards (`docs/matchmaking.md` §4).
@Suite struct TransitionTests {
    /// Where a member stands at one matchmaker.
    enum State: String, CaseIterable {
        case absent, listed, ended, elsewhere, leaving
    }

    /// What it or somebody else sends.
    enum Input: String, CaseIterable {
        case registerUnproved = "REGISTER, unproved"
        case register = "REGISTER"
        case registerStale = "REGISTER, stale"
        case registerForged = "REGISTER, forged"
        case registerReplayed = "REGISTER, replayed"
        case registerNewTicket = "REGISTER, new ticket"
        case leave = "LEAVE"
        case leaveOtherTicket = "LEAVE, other ticket"
        case roster = "ROSTER"
        case introduceIt = "INTRODUCE to it"
        case refresh = "REFRESH"
        case refreshReplayed = "REFRESH, replayed"
        case refreshForged = "REFRESH, forged"
        case refreshMoved = "REFRESH, moved"
        case time = "its lifetime passes"
    }

    static let golden = """
        input                | absent              | listed              | ended               | elsewhere           | leaving
        REGISTER, unproved   | 1 absent            | 1 listed            | 1 ended             | 1 elsewhere         | 1 leaving
        REGISTER             | 0 listed            | 0 listed            | 0 listed            | 0 listed            | 0 leaving
        REGISTER, stale      | 0 listed            | 7 listed            | 0 listed            | 7 elsewhere         | 7 leaving
        REGISTER, forged     | 6 absent            | 6 listed            | 6 absent            | 6 elsewhere         | 6 leaving
        REGISTER, replayed   | 0 listed            | replayed listed     | 0 listed            | 0 listed            | replayed leaving
        REGISTER, new ticket | 0 listed            | 0 listed            | 0 listed            | 0 listed            | 0 leaving
        LEAVE                | 2 absent            | 0 absent            | 2 ended             | 2 elsewhere         | 0 absent
        LEAVE, other ticket  | 2 absent            | 2 listed            | 2 ended             | 2 elsewhere         | 2 leaving
        ROSTER               | 2 absent            | 0 listed            | 2 ended             | 2 elsewhere         | 0 leaving
        INTRODUCE to it      | 3 absent            | 0 notice listed     | 3 ended             | 0 event elsewhere   | 0 notice leaving
        REFRESH              | unknownHandle absent | flags 2 listed      | unknownHandle ended | flags 1 elsewhere   | flags 6 leaving
        REFRESH, replayed    | unknownHandle absent | replayed listed     | unknownHandle ended | replayed elsewhere  | replayed leaving
        REFRESH, forged      | unknownHandle absent | wrongCode listed    | unknownHandle ended | wrongCode elsewhere | wrongCode leaving
        REFRESH, moved       | unknownHandle absent | flags 1 listed      | unknownHandle ended | flags 1 elsewhere   | flags 5 leaving
        its lifetime passes  | absent              | absent              | absent              | absent              | absent
        """

    @Test func everyInputInEveryState() throws {
        func padded(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.count))
        }
        var lines = [padded("input", 20) + State.allCases.map { " | " + padded($0.rawValue, 19) }.joined()]
        for input in Input.allCases {
            let cells = try State.allCases.map { " | " + padded(try outcome(of: input, in: $0), 19) }
            lines.append(padded(input.rawValue, 20) + cells.joined())
        }
        for (line, expected) in zip(lines, Self.golden.split(separator: "\n")) {
            let trimmed = String(line.reversed().drop { $0 == " " }.reversed())
            #expect(trimmed == expected)
        }
        #expect(lines.count == Self.golden.split(separator: "\n").count)
    }

    private func outcome(of input: Input, in state: State) throws -> String {
        let lab = MatchLab(isMirrored: true)
        let (member, neighbour) = (TestMember(1), TestMember(2))
        neighbour.lifetime = 7_200
        try lab.register(neighbour)
        try bring(member, to: state, lab)
        _ = lab.events()
        let said = try give(input, member, neighbour, lab)
        let after = describe(member, lab)
        return said.isEmpty ? after : "\(said) \(after)"
    }

    private func bring(_ member: TestMember, to state: State, _ lab: MatchLab) throws {
        member.revision = 5
        member.lifetime = 60
        guard state != .absent else { return }
        let other = MatchLab(isMirrored: true, seed: 99)
        try (state == .elsewhere ? other : lab).register(member)
        _ = try (state == .elsewhere ? other : lab).refresh(member)
        switch state {
        case .absent, .listed: break
        case .ended: lab.now += .seconds(60)
        case .elsewhere:
            var registration = try #require(other.server.ownRegistrations(now: other.now).first)
            registration.instance = 3
            #expect(lab.mirror(registration))
            // It came here once before, so that a count is known.
            member.count = 0
            _ = try lab.refresh(member)
        case .leaving: lab.server.isLeaving = true
        }
    }

    private func describe(_ member: TestMember, _ lab: MatchLab) -> String {
        let entry = lab.server.audit(member.groupTag, now: lab.now).first { $0.key.memberTag == member.tag }
        guard let entry else { return "absent" }
        if entry.remaining <= .zero { return "ended" }
        if entry.instance != 0 { return "elsewhere" }
        return lab.server.isLeaving ? "leaving" : "listed"
    }

    private func give(_ input: Input, _ member: TestMember, _ neighbour: TestMember, _ lab: MatchLab) throws -> String {
        switch input {
        case .registerUnproved, .register, .registerStale, .registerForged, .registerReplayed, .registerNewTicket:
            return try giveRegister(input, member, neighbour, lab)
        case .leave, .leaveOtherTicket:
            if input == .leaveOtherTicket { member.takeTicket() }
            let handle = member.handle
            return text(lab.send(member, sequence: 100) { MatchRequest.writeLeave(handle, to: &$0) })
        case .roster:
            let request = RosterRequest(handle: member.handle)
            return text(lab.send(member, paddedTo: 600) { request.write(to: &$0) })
        case .introduceIt:
            let status = text(lab.introduce(neighbour, to: member.tag, nonce: 1))
            let hasEvent = lab.events().contains {
                if case .introduction(instance: 3, _) = $0 { true } else { false }
            }
            return status + (lab.notices().isEmpty ? "" : " notice") + (hasEvent ? " event" : "")
        case .refresh: return text { () throws(MatchServerDrop) in try lab.refresh(member) }
        case .refreshReplayed:
            return text { () throws(MatchServerDrop) in try lab.refresh(member, count: member.count) }
        case .refreshForged:
            member.takeTicket()
            return text { () throws(MatchServerDrop) in try lab.refresh(member) }
        case .refreshMoved:
            return text { () throws(MatchServerDrop) in try lab.refresh(member, from: neighbour.address) }
        case .time:
            lab.pass(.seconds(61))
            return ""
        }
    }

    private func giveRegister(
        _ input: Input, _ member: TestMember, _ neighbour: TestMember, _ lab: MatchLab
    ) throws -> String {
        let proof = try lab.proof(member)
        // A newcomer at an instance that is leaving is refused (`LimitTests`); here it was there before.
        switch input {
        case .registerUnproved: return text(lab.sendRegister(member, proof: .zero))
        case .registerStale: member.revision = 4
        case .registerNewTicket: member.takeTicket()
        case .registerForged: return text(lab.sendRegister(member, proof: proof, signedBy: neighbour.key))
        case .registerReplayed: return text(lab.sendRegister(member, proof: proof, sequence: 1))
        default: break
        }
        return text(lab.sendRegister(member, proof: proof))
    }

    private func text(_ reply: MatchLab.Reply) -> String {
        switch reply {
        case .answer: "\(reply.status!.rawValue)"
        case .dropped(let drop): "\(drop)"
        }
    }

    private func text(_ refresh: () throws(MatchServerDrop) -> RefreshedMessage?) -> String {
        do throws(MatchServerDrop) {
            guard let answer = try refresh() else { return "silence" }
            return "flags \(answer.flags.rawValue)"
        } catch { return "\(error)" }
    }
}
