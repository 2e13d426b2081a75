public import DXWire

/// Steps through virtual time from one due moment to the next, and gives up with a clear message instead of hanging:
/// after `maximumStepCount` steps in all, or after `maximumStepsAtOneInstant` steps during which time stood still
/// (two machines that keep waking each other up), or at the scenario's own deadline.
public struct Scheduler: Sendable {
    /// The time of the simulation.
    public private(set) var clock: VirtualClock
    /// How many steps were taken.
    public private(set) var stepCount = 0
    /// The bound on `stepCount`.
    public let maximumStepCount: Int
    /// The scenario must be over by then.
    public let deadline: Instant
    private var stepsAtThisInstant = 0

    /// Some dozens of steps at one instant are normal (a timer, a batch of datagrams, their answers); thousands are a
    /// livelock.
    public static let maximumStepsAtOneInstant = 10_000

    /// A scheduler whose scenario ends within `limit` of virtual time and `maximumStepCount` steps.
    public init(clock: VirtualClock = VirtualClock(), limit: Interval, maximumStepCount: Int) {
        self.clock = clock
        self.maximumStepCount = maximumStepCount
        deadline = clock.now + limit
    }

    /// The present.
    public var now: Instant { clock.now }

    /// Takes a step to `due`, the earliest moment at which anything wants to happen; nil means that nothing ever will.
    ///
    /// - Parameter waitingFor: what the scenario still waits for; used in the message of a failure only.
    public mutating func step(
        to due: Instant?, waitingFor: @autoclosure () -> String
    ) throws(SimulationFailure) {
        stepCount += 1
        guard let due else {
            throw SimulationFailure("nothing will ever happen again at \(now), waiting for: \(waitingFor())")
        }
        guard stepCount <= maximumStepCount else {
            throw SimulationFailure("more than \(maximumStepCount) steps, at \(now), waiting for: \(waitingFor())")
        }
        guard due <= deadline else {
            throw SimulationFailure("not over at \(deadline) (next due \(due)), waiting for: \(waitingFor())")
        }
        stepsAtThisInstant = due <= now ? stepsAtThisInstant + 1 : 0
        guard stepsAtThisInstant <= Self.maximumStepsAtOneInstant else {
            throw SimulationFailure(
                "\(Self.maximumStepsAtOneInstant) steps at \(now) and time stands still, waiting for: \(waitingFor())")
        }
        clock.advance(to: due)
    }
}
