public import DXWire

/// The time of a simulation. It moves only when it is told to, and never back.
public struct VirtualClock: Sendable {
    /// The present.
    public private(set) var now: Instant

    /// A clock that stands at `start`. Not zero by default, so that code which takes zero for "unset" is found out.
    public init(start: Instant = Instant(nanoseconds: 1_000_000_000)) { now = start }

    /// Moves to `instant`; an earlier one leaves the clock where it is (a deadline that has passed is due now).
    public mutating func advance(to instant: Instant) { now = max(now, instant) }
}
