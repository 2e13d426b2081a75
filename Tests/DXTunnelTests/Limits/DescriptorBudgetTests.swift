import Testing

@testable import DXTunnel

@Suite struct DescriptorBudgetTests {
    @Test func someAreKeptFromConnections() {
        var budget = DescriptorBudget()
        #expect(DescriptorBudget.reserve(of: 1_024) == 32 && DescriptorBudget.reserve(of: 64) == 16)
        #expect(DescriptorBudget.reserve(of: 0) == 0 && DescriptorBudget.reserve(of: -1) == 0)
        #expect(budget.note(lowestFree: 991, of: 1_024) == .room(isBack: false))
        #expect(budget.note(lowestFree: 992, of: 1_024) == .none(isNew: true))
        #expect(budget.note(lowestFree: nil, of: 1_024) == .none(isNew: false))
    }

    /// What the log is told: once that there are none, and once that there are some, not for each that comes and goes.
    @Test func aShortageIsToldOnce() {
        var budget = DescriptorBudget()
        #expect(budget.note(lowestFree: 992, of: 1_024) == .none(isNew: true))
        #expect(budget.note(lowestFree: 991, of: 1_024) == .room(isBack: false))
        #expect(budget.note(lowestFree: 992, of: 1_024) == .none(isNew: false))
        #expect(budget.isShort)
        #expect(budget.note(lowestFree: 983, of: 1_024) == .room(isBack: true))
        #expect(!budget.isShort && budget.note(lowestFree: 983, of: 1_024) == .room(isBack: false))
    }

    /// A low number that is free says nothing of those above it.
    @Test func whatIsLeftIsCounted() {
        #expect(DescriptorBudget.room(lowestFree: 100, openCount: 100, of: 1_024) == 892)
        #expect(DescriptorBudget.room(lowestFree: 20, openCount: 900, of: 1_024) == 92)
        #expect(DescriptorBudget.room(lowestFree: 20, openCount: 1_000, of: 1_024) == 0)
        #expect(DescriptorBudget.room(lowestFree: 900, openCount: nil, of: 1_024) == 92)
        #expect(DescriptorBudget.room(lowestFree: nil, openCount: 10, of: 1_024) == 0)
    }

    @Test func theProcessIsAsked() throws {
        var budget = DescriptorBudget()
        #expect(budget.limit > 32)
        #expect(budget.ask() == .room(isBack: false))
        let used = try #require(DescriptorBudget.openCount())
        #expect(used >= 3 && used < budget.limit)
        var none = DescriptorBudget(limit: 1)
        #expect(none.ask() == .none(isNew: true))
    }
}
