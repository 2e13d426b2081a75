import DXWire
import Testing

@testable import DXMatch

/// Whatever comes, in whatever order: no trap, no time that stands still, no output beyond the budgets.
@Suite struct CheckListFuzzTests {
    @Test(arguments: 1...40) func randomInputsStayWithinAllLimits(seed: Int) {
        var random = RandomSource(seed: UInt64(seed))
        var rig = CheckListTests.Rig(isControlling: random.chance(0.5))
        // Endpoints of few prefixes, so that they meet; some that nothing may go to.
        let endpoints = (0..<24).map { index -> Endpoint in
            switch index % 6 {
            case 0: Endpoint(v4: 0x7f00_0001 + UInt32(index), port: 9)
            case 1: Endpoint(v4: 0x0a00_0001 + UInt32(index), port: 9)
            case 2: Endpoint(v6High: 0x2001_0db8_0001_0000, low: UInt64(index), port: UInt16(index))
            default: Endpoint(v4: 0xcb00_7100 + UInt32(index), port: UInt16(index))
            }
        }
        let bases = [CheckListTests.here] + (1...40).map { CheckListTests.here.withPort(20_000 + UInt16($0)) }
        func pick<T>(_ list: [T]) -> T { list[Int(random.below(UInt64(list.count)))] }
        for _ in 0..<600 {
            rig.now += .microseconds(Int64(random.below(60_000)))
            switch random.below(10) {
            case 0:
                rig.add((0..<random.below(40)).map { _ in Self.candidate(pick(endpoints), &random) }, isComplete: false)
            case 1: rig.list.addLocal([Self.candidate(pick(bases), &random)], now: rig.now)
            case 2, 3, 4: rig.hear(pick(endpoints), nominated: random.chance(0.5), on: pick(bases))
            case 5, 6: rig.answer(pick(endpoints), on: pick(bases))
            case 7: rig.list.timeoutFired(now: rig.now)
            case 8: if random.chance(0.1) { rig.list.expectNothing() } else { rig.list.remoteIsComplete(now: rig.now) }
            default: rig.run(for: .milliseconds(Int64(random.below(200))))
            }
            rig.poll()
        }
        rig.run(for: .seconds(30))
        expectLimits(rig)
    }

    private static func candidate(_ endpoint: Endpoint, _ random: inout RandomSource) -> PathCandidate {
        PathCandidate(
            kind: PathCandidate.Kind(rawValue: UInt8(random.below(5)))!, endpoint: endpoint,
            priority: UInt32(truncatingIfNeeded: random.next()))
    }

    private func expectLimits(_ rig: CheckListTests.Rig) {
        let list = rig.list
        #expect(list.isOver)
        #expect(list.pairs.count <= CheckList.pairLimit)
        #expect(list.bases.count <= CandidateSet.limit + CheckList.learnedLimit)
        // It ends once, and after that there are no events.
        #expect(rig.events.count { if case .failed = $0 { true } else { $0 == .finished } } == 1)
        for (index, pair) in list.pairs.enumerated() {
            #expect(pair.sentCount <= (pair.hasAnswered ? CheckPair.answeredLimit : CheckPair.checkLimit))
            #expect(rig.events.count { $0 == .valid(pair: index) } <= 1)
            #expect(rig.events.count { $0 == .nominated(pair: index) } <= 1)
            let isRefused = if case .refused = list.filter.judge(pair.remote.endpoint) { true } else { false }
            #expect(!isRefused, "a pair with \(pair.remote.endpoint)")
        }
        let answered = Set(list.pairs.filter(\.hasAnswered).map(\.remote.endpoint))
        // Of those that never answered the budget holds; checks are 20 ms apart.
        ReflectorTests.expectBudget(rig.sent.filter { !answered.contains($0.transmit.destination) })
        let checks = rig.sent.filter { if case .check = $0.transmit.message { true } else { false } }
        for (left, right) in zip(checks, checks.dropFirst()) { #expect(right.at - left.at >= CheckList.pacing) }
        for entry in rig.sent { #expect(entry.transmit.destination.isSendable) }
    }
}
