import Testing

@testable import DXTunnel

@Suite struct MemoryBudgetTests {
    private func budget(used: Int = 0, limit: Int = 800, parts: Int = 1) -> MemoryBudget {
        var budget = MemoryBudget(limit: limit, partCount: parts)
        _ = budget.update(used: used)
        return budget
    }

    @Test(arguments: [
        (0, MemoryBudget.Level.plenty), (399, .plenty), (400, .tight), (699, .tight), (700, .full), (800, .full),
        (5_000, .full), (-5, .plenty),
    ])
    func theLevelFollowsWhatIsHeld(used: Int, level: MemoryBudget.Level) {
        #expect(budget(used: used).level == level)
    }

    @Test func aFullMemoryStaysFullUntilAQuarterIsFree() {
        var budget = budget(used: 700)
        for used in [699, 650, 600] {
            #expect(budget.update(used: used) == false)
            #expect(budget.level == .full && budget.refusal(peerHolds: 0) == .full)
        }
        #expect(budget.update(used: 599) == true)
        #expect(budget.level == .tight && budget.refusal(peerHolds: 0) == nil)
        // It has to be full again before anything is refused.
        #expect(budget.update(used: 699) == false)
        #expect(budget.update(used: 700) == true)
        #expect(budget.update(used: 0) == true)
        #expect(budget.level == .plenty)
    }

    @Test func windowsShrinkEvenlyAndNeverToNothing() {
        let steps = stride(from: 0, through: 1_000, by: 10).map { budget(used: $0).windowSteps }
        #expect(steps.first == MemoryBudget.steps && steps.last == 1)
        #expect(zip(steps, steps.dropFirst()).allSatisfy { $0 >= $1 && $0 - $1 <= 1 })
        #expect(budget(used: 400).windowSteps == MemoryBudget.steps)
        #expect(budget(used: 699).windowSteps > 1 && budget(used: 700).windowSteps == 1)
    }

    @Test func aPeerThatHoldsItsPartGetsNoneWhenItIsShort() {
        let (limit, part) = (8 << 20, 2 << 20)
        var budget = budget(used: limit / 2 - 1, limit: limit, parts: 4)
        #expect(budget.part == part && budget.refusal(peerHolds: limit / 2 - 1) == nil)
        _ = budget.update(used: limit / 2)
        #expect(budget.refusal(peerHolds: part) == .peer)
        #expect(budget.refusal(peerHolds: part - 1) == nil)
        _ = budget.update(used: limit / 8 * 7)
        #expect(budget.refusal(peerHolds: 0) == .full)
    }

    /// With many peers a part is no less than what a channel's two windows hold in any case.
    @Test func aPartIsNotLessThanTwoWindows() {
        #expect(budget(limit: 64 << 20, parts: 1_024).part == 512 << 10)
        #expect(budget(limit: 64 << 20, parts: 64).part == 1 << 20)
        #expect(budget(limit: 100_000, parts: 1_024).part == 100_000)
    }

    @Test(arguments: [(1, 1), (0, 0), (7, 100), (Int.max, 1)])
    func anySizesDo(limit: Int, parts: Int) {
        for used in [0, 1, limit / 2, limit, Int.max] {
            let budget = budget(used: used, limit: limit, parts: parts)
            #expect((1...MemoryBudget.steps).contains(budget.windowSteps))
            #expect(budget.part >= 1)
        }
    }

    @Test func loopsSeeWhatAllHold() {
        let use = MemoryUse()
        #expect(use.add(100) == 100)
        #expect(use.add(50) == 150)
        #expect(use.add(-100) == 50)
    }
}
