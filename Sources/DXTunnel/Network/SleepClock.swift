import DXWire

/// Finds out whether time has passed that this gateway did not live through, from two clocks (clock_gettime(2)): CLOCK_MONOTONIC stands
/// still while the machine is suspended, CLOCK_BOOTTIME goes on. A machine; both are arguments.
///
/// What only stops the process, or the whole of a virtual machine with its clocks, shows by a timer that is late (`late`).
struct SleepClock: Sendable {
    /// How far CLOCK_BOOTTIME was ahead.
    private var ahead: Interval

    /// What is shorter is no sleep: a virtual machine's clocks are set right by some milliseconds, and a busy machine is late.
    static let shortest = Interval.seconds(2)

    /// From now on.
    init(monotonic: Instant, boot: Instant) { ahead = boot - monotonic }

    /// For how long the machine was suspended since the last look; nil for not at all.
    mutating func look(monotonic: Instant, boot: Instant) -> Interval? {
        let now = boot - monotonic
        let slept = now - ahead
        guard slept >= Self.shortest else { return nil }
        ahead = now
        return slept
    }

    /// For how long the process stood still, when a timer that was due at `deadline` comes only `now`; nil when that is
    /// everyday lateness.
    static func late(_ deadline: Instant, now: Instant) -> Interval? {
        guard deadline != .distantFuture, now - deadline >= shortest else { return nil }
        return now - deadline
    }
}
