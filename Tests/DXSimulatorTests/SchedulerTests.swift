import DXSimulator
import DXWire
import Testing

@Suite struct SchedulerTests {
    @Test func movesForwardOnly() throws {
        var scheduler = Scheduler(limit: .seconds(10), maximumStepCount: 100)
        let start = scheduler.now
        try scheduler.step(to: start + .seconds(2), waitingFor: "a")
        try scheduler.step(to: start + .seconds(1), waitingFor: "b")
        #expect(scheduler.now == start + .seconds(2))
        #expect(scheduler.stepCount == 2)
    }

    @Test func failsInsteadOfHanging() throws {
        var counted = Scheduler(limit: .seconds(10), maximumStepCount: 3)
        for step in 1...3 { try counted.step(to: counted.now + .milliseconds(Int64(step)), waitingFor: "x") }
        #expect(throws: SimulationFailure.self) { try counted.step(to: counted.now, waitingFor: "x") }

        var idle = Scheduler(limit: .seconds(10), maximumStepCount: 3)
        #expect(throws: SimulationFailure.self) { try idle.step(to: nil, waitingFor: "x") }

        var late = Scheduler(limit: .seconds(10), maximumStepCount: 3)
        #expect(throws: SimulationFailure.self) { try late.step(to: late.now + .seconds(11), waitingFor: "x") }
    }

    @Test func failsWhenTimeStandsStill() throws {
        var scheduler = Scheduler(limit: .seconds(10), maximumStepCount: 1_000_000)
        for _ in 0..<Scheduler.maximumStepsAtOneInstant { try scheduler.step(to: scheduler.now, waitingFor: "x") }
        #expect(throws: SimulationFailure.self) { try scheduler.step(to: scheduler.now, waitingFor: "x") }
    }
}
