/// A point on a monotonic clock, in nanoseconds since that clock's own origin.
///
/// Time is an argument everywhere in DX: machines are handed an `Instant` and never read a clock, so that a test can
/// run years in milliseconds. There is no "unset" instant; use `Instant?` for that.
public struct Instant: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// Nanoseconds since the clock's origin; never negative on a real clock.
    public var nanoseconds: Int64

    /// The point `nanoseconds` after the clock's origin.
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// The clock's origin.
    public static let zero = Instant(nanoseconds: 0)
    /// Later than any real point in time: "never" in comparisons.
    public static let distantFuture = Instant(nanoseconds: .max)

    /// Orders by time.
    public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }
    /// A later (or earlier) point; saturates.
    public static func + (left: Instant, right: Interval) -> Instant {
        Instant(nanoseconds: left.nanoseconds.saturatingPlus(right.nanoseconds))
    }
    /// An earlier (or later) point; saturates.
    public static func - (left: Instant, right: Interval) -> Instant {
        Instant(nanoseconds: left.nanoseconds.saturatingMinus(right.nanoseconds))
    }
    /// The span from `right` to `left`; saturates.
    public static func - (left: Instant, right: Instant) -> Interval {
        Interval(nanoseconds: left.nanoseconds.saturatingMinus(right.nanoseconds))
    }
    /// Moves the point in place; saturates.
    public static func += (left: inout Instant, right: Interval) { left = left + right }
}

extension Instant: CustomStringConvertible {
    /// For logs and failures: the span since the clock's origin, "@1.500ms".
    public var description: String { "@\(Interval(nanoseconds: nanoseconds))" }
}
