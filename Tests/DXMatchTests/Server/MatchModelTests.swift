import DXWire
import Testing

@testable import DXMatch

/// Random requests, times and losses, right and wrong, to the machine and to `MatchModel`: they must agree on every answer, on
/// every notice, and on all that is held after each step.
@Suite struct MatchModelTests {
    /// One run.
    private final class Run {
        let lab: MatchLab
        var model = MatchModel()
        var random: RandomSource
        var members: [TestMember]
        var done: [String: Int] = [:]

        init(seed: UInt64) {
            var limits = MatchLab.generous
            limits.introductionsPerAsker = 1_000_000
            limits.introductionsPerTarget = 1_000_000
            lab = MatchLab(limits: limits, seed: seed)
            random = RandomSource(seed: seed)
            members = (0..<14).map { TestMember($0) }
            for (index, member) in members.enumerated() {
                member.matchKey = MatchKeyHash(high: 1, low: UInt64(index % 2 + 1))
                // One tag under both keys, one under each.
                member.groupTag = GroupTag(high: 2, low: UInt64(index % 3))
            }
        }

        func pick() -> TestMember { members[Int(random.below(UInt64(members.count)))] }

        func note(_ what: String, _ status: MatchStatus?) {
            done[what + (status.map { " \($0.rawValue)" } ?? " dropped"), default: 0] += 1
        }

        func step() throws {
            model.forgetEnded(now: lab.now)
            switch random.below(20) {
            case 0..<5: try register()
            case 5..<8: refresh()
            case 8: leave()
            case 9..<11: try roster()
            case 11..<16: introduce()
            default: pass()
            }
            checkNotices()
            checkHeld()
        }

        func register() throws {
            let member = pick()
            if random.chance(0.3) { member.address = member.address.withPort(UInt16(1 + random.below(3))) }
            if random.chance(0.1) { member.takeTicket() }
            if random.chance(0.4) {
                member.revision += 1
                member.blob = (0..<random.below(601)).map { _ in 7 }
            }
            if random.chance(0.1) { member.revision = max(1, member.revision - 1) }
            member.lifetime = UInt16(random.below(200))
            let proof = try lab.proof(member)
            let sequence = random.chance(0.1) ? 1 : member.nextSequence()
            let reply = lab.sendRegister(member, proof: proof, sequence: sequence)
            let expected = model.register(member, sequence: sequence, now: lab.now)
            note("register", expected)
            #expect(reply.status == expected)
            guard case .answer(.registered(let answer), _) = reply else { return }
            let key = RegistrationKey(matchKey: member.matchKey, groupTag: member.groupTag, memberTag: member.tag)
            if model.entries[key]!.handle.rawValue == 0 { model.entries[key]!.handle = answer.handle }
            #expect(answer.handle == model.entries[key]!.handle)
            #expect(Int(answer.memberCount) >= model.others(of: model.entries[key]!).count + 1)
            member.handle = answer.handle
            member.count = model.entries[key]!.count
        }

        func refresh() {
            let member = pick()
            let isElsewhere = random.chance(0.1)
            let count = random.chance(0.2) ? member.count : member.count + 1
            let notice = UInt32(random.below(6))
            let from = isElsewhere ? Endpoint(v4: 0x0909_0909, port: 9) : member.address
            let answer = try? lab.refresh(member, notice: notice, count: count, from: from)
            guard let entry = model.asker(member, member.handle), count > entry.count else {
                note("refresh", nil)
                #expect(answer == nil)
                return
            }
            member.count = count
            let isMoved = from != entry.address
            note(isMoved ? "refresh moved" : "refresh", .done)
            #expect(answer?.flags.contains(.registerAgain) == isMoved)
            if isMoved {
                model.entries[entry.key]!.count = count
            } else {
                model.refresh(entry, count: count, notice: notice, now: lab.now)
            }
        }

        /// The asker's entry as the model has it, its sequence taken; the status when there is none.
        func asker(_ member: TestMember, _ handle: Handle, _ sequence: UInt64) -> (MatchModel.Entry?, MatchStatus?) {
            guard let entry = model.asker(member, handle) else { return (nil, .notRegistered) }
            guard sequence > entry.sequence else { return (nil, nil) }
            model.entries[entry.key]!.sequence = sequence
            return (entry, .done)
        }

        func leave() {
            let member = pick()
            let handle = random.chance(0.8) ? member.handle : pick().handle
            let sequence = member.nextSequence()
            let reply = lab.send(member, sequence: sequence) { MatchRequest.writeLeave(handle, to: &$0) }
            let (entry, status) = asker(member, handle, sequence)
            note("leave", status)
            #expect(reply.status == status)
            if let entry { model.entries[entry.key] = nil }
        }

        func roster() throws {
            let member = pick()
            let (entry, status) = asker(member, member.handle, member.nextSequence())
            note("roster", status)
            guard let entry else { return }
            var cursor = MemberTag.zero
            var seen: [MemberTag] = []
            repeat {
                let page = try lab.roster(member, cursor: cursor, paddedTo: Int(600 + random.below(400)))
                for (place, entry) in page.entries.enumerated() {
                    let key = RegistrationKey(
                        matchKey: member.matchKey, groupTag: member.groupTag, memberTag: entry.memberTag)
                    #expect(model.entries[key]?.blob == page.blobs[place])
                    #expect(model.entries[key]?.address == entry.address)
                }
                seen += page.entries.map(\.memberTag)
                cursor = page.next
            } while cursor != .zero
            #expect(seen == model.others(of: entry).map(\.key.memberTag))
            model.entries[entry.key]!.sequence = member.nextSequence() - 1
        }

        func introduce() {
            let member = pick()
            let other = pick()
            let sequence = random.chance(0.1) ? 1 : member.nextSequence()
            let nonce = random.below(7)
            let request = IntroduceRequest(handle: member.handle, memberTag: other.tag, nonce: nonce)
            let reply = lab.send(member, paddedTo: 700, sequence: sequence) { request.write(blob: RawSpan(), to: &$0) }
            let (entry, found) = asker(member, member.handle, sequence)
            var status = found
            if let entry { status = model.introduce(entry, to: other.tag, nonce: nonce, now: lab.now) }
            note("introduce", status)
            #expect(reply.status == status)
        }

        func pass() {
            lab.now += random.chance(0.6) ? .milliseconds(Int64(random.below(400))) : .seconds(Int64(random.below(40)))
            // Late, sometimes: what has ended must not be served even so.
            if random.chance(0.7) { lab.server.timeoutFired(now: lab.now) }
            model.forgetEnded(now: lab.now)
        }

        func checkNotices() {
            let sent = lab.notices().map {
                [$0.transmit.handle.rawValue, UInt64($0.transmit.number), $0.notice.nonce]
            }
            let expected = model.send(now: lab.now)
            func order(_ list: [[UInt64]]) -> [[UInt64]] { list.sorted { $0.lexicographicallyPrecedes($1) } }
            #expect(order(sent) == order(expected))
            done["notice", default: 0] += sent.count
        }

        func checkHeld() {
            var held: [RegistrationKey: MatchAuditEntry] = [:]
            for tag in Set(members.map(\.groupTag)) {
                for entry in lab.server.audit(tag, now: lab.now) where entry.remaining > .zero {
                    held[entry.key] = entry
                }
            }
            #expect(Set(held.keys) == Set(model.entries.keys))
            for (key, entry) in model.entries {
                guard let found = held[key] else { continue }
                #expect(found.address == entry.address && found.revision == entry.revision)
                #expect(found.blob == entry.blob && found.handle == entry.handle && found.lifetime == entry.lifetime)
                #expect(found.lastSequence == entry.sequence && found.lastCount == entry.count)
                #expect(found.lastNotice == entry.notices && found.remaining == entry.expiresAt - lab.now)
            }
        }
    }

    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func theMachineAgreesWithTheModel(seed: UInt64) throws {
        let run = Run(seed: seed)
        for _ in 0..<1_500 { try run.step() }
        // Every kind of outcome must have come up, or the run says little.
        for what in [
            "register 0", "register 7", "register dropped", "refresh 0", "refresh dropped", "refresh moved 0",
            "leave 0",
            "leave 2", "roster 0", "roster 2", "introduce 0", "introduce 2", "introduce 3", "introduce dropped",
            "notice",
        ] {
            #expect(run.done[what, default: 0] > 0, "\(what) in \(run.done)")
        }
        run.lab.pass(.seconds(8_000))
        #expect(run.lab.server.status.registrations == 0)
        #expect(run.lab.server.status.groups == 0 && run.lab.server.status.matchKeys == 0)
        #expect(run.lab.nextTimeout == nil)
    }
}
