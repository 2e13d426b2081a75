import DXWire
import Testing

@testable import DXMatch

/// What members and matchmakers say cannot make a gateway a weapon (`docs/matchmaking.md` §7).
@Suite struct ReflectorTests {
    /// Counts what one prefix gets, and holds it to the budget over any second.
    static func expectBudget(
        _ sent: [(at: Interval, transmit: CheckTransmit)], _ source: SourceLocation = #_sourceLocation
    ) {
        var checks: [AddressPrefix: [Interval]] = [:]
        for entry in sent {
            guard case .check = entry.transmit.message else { continue }
            checks[AddressPrefix(budgetOf: entry.transmit.destination), default: []].append(entry.at)
        }
        for times in checks.values {
            for (index, first) in times.enumerated() {
                let count = times[index...].prefix { $0 - first < .seconds(1) }.count
                #expect(count * CheckBudget.checkByteCount <= CheckBudget.prefixByteLimit, sourceLocation: source)
            }
        }
    }

    /// A thousand addresses of one victim cost it no more than one: the prefix's budget, for ten seconds.
    @Test(arguments: [false, true]) func aThousandAddressesOfOneVictim(isRising: Bool) {
        var rig = CheckListTests.Rig()
        var victims: [PathCandidate] = []
        for index in 0..<1_000 {
            let endpoint = Endpoint(v4: 0xc633_6400 + UInt32(1 + index % 250), port: UInt16(1_000 + index))
            let rank = UInt16(isRising ? index : 2_000 - index)
            victims.append(CheckListTests.remote(endpoint, .host, rank: rank))
        }
        rig.add(victims)
        rig.run(for: .seconds(30))
        Self.expectBudget(rig.sent)
        #expect(rig.sent.count <= 10 * CheckBudget.prefixLimit)
        #expect(rig.list.pairs.count <= CheckList.pairLimit)
        #expect(rig.list.remotes.candidates.count == CandidateSet.limit)
        for pair in rig.list.pairs { #expect(pair.sentCount <= CheckPair.checkLimit) }
        #expect(rig.events == [.failed(.silence)])
    }

    /// Ten introductions, one after the other and side by side, share the budget.
    @Test func manyIntroductionsShareOneBudget() {
        var budget = CheckBudget()
        var sent: [(at: Interval, transmit: CheckTransmit)] = []
        var rigs = (0..<10).map { _ in CheckListTests.Rig() }
        for index in rigs.indices {
            rigs[index].list.addRemote(
                (1...16).map { CheckListTests.remote(Endpoint(v4: 0xc633_6400 + UInt32($0), port: 53)) },
                now: CheckListTests.start)
        }
        for step in 0..<3_000 {
            let now = CheckListTests.start + .milliseconds(Int64(step * 4))
            for index in rigs.indices {
                rigs[index].list.timeoutFired(now: now)
                while let transmit = rigs[index].list.pollTransmit(budget: &budget, now: now) {
                    sent.append((now - CheckListTests.start, transmit))
                }
            }
        }
        Self.expectBudget(sent)
        #expect(sent.count <= 10 * CheckBudget.prefixLimit + CheckBudget.prefixLimit)
    }

    /// A member that pretends checks from a victim's addresses gets one answer for each, at most fifty a second, and the checks
    /// that they call for stay within the budget.
    @Test func pretendedSourcesGetLittle() {
        var rig = CheckListTests.Rig()
        rig.add([CheckListTests.remote(CheckListTests.peer)], isComplete: false)
        for index in 0..<5_000 {
            rig.now += .milliseconds(1)
            rig.list.timeoutFired(now: rig.now)
            rig.hear(Endpoint(v4: 0xcb00_7100 + UInt32(index % 200), port: UInt16(2_000 + index)))
        }
        Self.expectBudget(rig.sent)
        let answers = rig.sent.filter { if case .checked = $0.transmit.message { true } else { false } }
        for (index, first) in answers.enumerated() {
            #expect(answers[index...].prefix { $0.at - first.at < .seconds(1) }.count <= 50)
        }
        #expect(rig.list.pairs.count <= 1 + CheckList.learnedLimit)
    }
}
