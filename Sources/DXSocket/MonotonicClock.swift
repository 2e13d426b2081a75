public import DXWire
import Glibc

/// The one place where the data plane reads a clock: CLOCK_MONOTONIC, which never steps (and stands still while the
/// machine is suspended). Its zero is the boot of the machine, so an instant means nothing to another machine.
public enum MonotonicClock {
    /// The time now. SwiftNIO's `NIODeadline` on Linux counts on the same clock, so the two can be converted.
    public static func now() -> Instant {
        var time = timespec()
        let result = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        precondition(result == 0, "every Linux has a monotonic clock")
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
