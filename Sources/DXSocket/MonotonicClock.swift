internal import CDXSystem
public import DXWire

/// The one place where the data plane reads a clock: CLOCK_MONOTONIC, which never steps (and stands still while the
/// machine is suspended). Its zero is the boot of the machine, so an instant means nothing to another machine.
public enum MonotonicClock {
    /// The time now. SwiftNIO's `NIODeadline` on Linux counts on the same clock, so the two can be converted.
    public static func now() -> Instant { Instant(nanoseconds: dx_monotonic_nanoseconds()) }
}
