import DXWire
import Testing

@testable import DXMatch

@Suite struct CheckBudgetTests {
    private func four(_ low: UInt32) -> Endpoint { Endpoint(v4: 0xcb00_7100 + low, port: 7700) }

    /// The inequality of the type's text, over any second, for random askers.
    @Test(arguments: 1...10) func noSecondHasMore(seed: Int) {
        var random = RandomSource(seed: UInt64(seed))
        var budget = CheckBudget()
        var now = Instant(nanoseconds: 0)
        var sent: [(at: Instant, to: Endpoint)] = []
        for _ in 0..<3_000 {
            now += .microseconds(Int64(random.below(40_000)))
            let to = four(UInt32(random.below(4)) + (random.chance(0.5) ? 0 : 256))
            switch budget.take(for: to, isTriggered: random.chance(0.3), now: now) {
            case .granted: sent.append((now, to))
            case .later(let time): #expect(time > now && time - now <= .seconds(1))
            }
        }
        for (index, first) in sent.enumerated() {
            let second = sent[index...].prefix { $0.at - first.at < .seconds(1) }
            let ofPrefix = second.filter { AddressPrefix(budgetOf: $0.to) == AddressPrefix(budgetOf: first.to) }
            #expect(ofPrefix.count * CheckBudget.checkByteCount <= CheckBudget.prefixByteLimit)
            #expect(second.count { $0.to == first.to } <= CheckBudget.endpointLimit)
        }
        // It is a limit and no wall: both prefixes are used up all the time.
        #expect(sent.count > Int(now.nanoseconds / 1_000_000_000) * 10)
    }

    /// What is only named leaves room for whom the peer was heard at.
    @Test func twoAreKeptForWhatWasHeard() {
        var budget = CheckBudget()
        var granted = 0
        for low in 1...20 where budget.take(for: four(UInt32(low)), isTriggered: false, now: .zero) == .granted {
            granted += 1
        }
        #expect(granted == 6)
        #expect(budget.take(for: four(99), isTriggered: true, now: .zero) == .granted)
        #expect(budget.take(for: four(98), isTriggered: true, now: .zero) == .granted)
        let full = budget.take(for: four(97), isTriggered: true, now: .zero)
        #expect(full == .later(.zero + .seconds(1)))
        #expect(budget.take(for: four(97), isTriggered: true, now: .zero + .seconds(1)) == .granted)
    }

    @Test func theTablesAreBounded() {
        var budget = CheckBudget()
        var granted = 0
        for index in 0..<5_000 {
            let to = Endpoint(v4: UInt32(index + 1) << 9, port: 1)
            if budget.take(for: to, isTriggered: true, now: .zero) == .granted { granted += 1 }
        }
        #expect(granted == 1_024)
        #expect(budget.take(for: four(1), isTriggered: true, now: .zero + .seconds(2)) == .granted)
    }

    @Test func predictionsAreFewAndApart() {
        var budget = PredictionBudget()
        var now = Instant.zero
        var begun: [Instant] = []
        for _ in 0..<2_000 {
            if budget.begin(towards: four(UInt32(now.nanoseconds % 200)), now: now) { begun.append(now) }
            now += .seconds(3)
        }
        for first in begun {
            #expect(begun.count { $0 >= first && $0 - first < .seconds(600) } <= 3)
            #expect(begun.count { $0 >= first && $0 - first < .seconds(10) } == 1)
        }
        #expect(begun.count >= 28)
        var wide = PredictionBudget()
        let granted = (0..<200).count { wide.begin(towards: Endpoint(v4: UInt32($0 + 1) << 8, port: 1), now: .zero) }
        #expect(granted == 64)
    }
}
