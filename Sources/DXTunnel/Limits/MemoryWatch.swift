import DXWire

/// What one event loop knows of the gateway's memory, and when it looks again.
struct MemoryWatch: Sendable {
    var budget: MemoryBudget
    /// What this loop has told `MemoryUse` that it holds.
    var told = 0
    /// In so many steps of `MemoryBudget.steps` its channels' windows are.
    var windowSteps = MemoryBudget.steps
    /// When it is looked at again; not before.
    var nextLook: Instant
    /// Connections and flows refused since the start for want of memory.
    var refused: UInt64 = 0
    /// Whoever fills and empties the memory is not to fill the log.
    var complaints = ComplaintLimit()

    /// Ten times a second: at 1 Gbit/s 12 MB come between two looks, less than what is left of the usual limit when new connections
    /// are refused and the windows of all channels are smallest. To look at 4,096 connections takes less than a millisecond.
    static let pause = Interval.milliseconds(100)

    /// Nothing is held yet.
    init(_ budget: MemoryBudget, now: Instant) {
        self.budget = budget
        nextLook = now
    }

    /// Windows are smaller than usual.
    var isShort: Bool { budget.level > .plenty }
}
