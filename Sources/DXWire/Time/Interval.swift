/// A span of time in nanoseconds.
///
/// Eight bytes and trivial, unlike `Duration` (16 bytes): recovery state holds many of them. Signed, so that the
/// difference of two instants always exists. The range is about 292 years; arithmetic saturates instead of trapping,
/// because a span can come from the network (an acknowledgement delay) and no byte of the network may ever trap.
public struct Interval: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// Nanoseconds; negative when the later instant was subtracted from.
    public var nanoseconds: Int64

    /// A span of `nanoseconds`.
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// The empty span.
    public static let zero = Interval(nanoseconds: 0)
    /// The longest span, used as "later than anything". Adding to it saturates.
    public static let max = Interval(nanoseconds: .max)

    /// A span of `count` nanoseconds.
    public static func nanoseconds(_ count: Int64) -> Interval { Interval(nanoseconds: count) }
    /// A span of `count` microseconds; saturates.
    public static func microseconds(_ count: Int64) -> Interval { Interval(nanoseconds: count.saturatingTimes(1_000)) }
    /// A span of `count` milliseconds; saturates.
    public static func milliseconds(_ count: Int64) -> Interval {
        Interval(nanoseconds: count.saturatingTimes(1_000_000))
    }
    /// A span of `count` seconds; saturates.
    public static func seconds(_ count: Int64) -> Interval {
        Interval(nanoseconds: count.saturatingTimes(1_000_000_000))
    }

    /// Whole microseconds, rounded towards zero.
    public var microseconds: Int64 { nanoseconds / 1_000 }
    /// Whole milliseconds, rounded towards zero.
    public var milliseconds: Int64 { nanoseconds / 1_000_000 }
    /// Seconds as a floating-point number, for rates and display only.
    public var secondsAsDouble: Double { Double(nanoseconds) / 1e9 }

    /// Orders by length.
    public static func < (left: Interval, right: Interval) -> Bool { left.nanoseconds < right.nanoseconds }
    /// The sum; saturates.
    public static func + (left: Interval, right: Interval) -> Interval {
        Interval(nanoseconds: left.nanoseconds.saturatingPlus(right.nanoseconds))
    }
    /// The difference; saturates.
    public static func - (left: Interval, right: Interval) -> Interval {
        Interval(nanoseconds: left.nanoseconds.saturatingMinus(right.nanoseconds))
    }
    /// The multiple; saturates.
    public static func * (left: Interval, right: Int64) -> Interval {
        Interval(nanoseconds: left.nanoseconds.saturatingTimes(right))
    }
    /// The part, rounded towards zero; saturates. `right` must not be zero (a programming error: traps).
    public static func / (left: Interval, right: Int64) -> Interval {
        precondition(right != 0, "a span is not divided by zero")
        // The one quotient that does not fit: the longest negative span by -1.
        let (result, overflow) = left.nanoseconds.dividedReportingOverflow(by: right)
        return Interval(nanoseconds: overflow ? .max : result)
    }
    /// Adds in place; saturates.
    public static func += (left: inout Interval, right: Interval) { left = left + right }
}

extension Interval: CustomStringConvertible {
    /// For logs and failures: "1.500ms".
    public var description: String {
        let magnitude = nanoseconds.magnitude
        let sign = nanoseconds < 0 ? "-" : ""
        func thousandths(_ unit: UInt64, _ name: String) -> String {
            let fraction = String(magnitude % unit * 1_000 / unit)
            return "\(sign)\(magnitude / unit).\(String(repeating: "0", count: 3 - fraction.count))\(fraction)\(name)"
        }
        if magnitude >= 1_000_000_000 { return thousandths(1_000_000_000, "s") }
        if magnitude >= 1_000_000 { return thousandths(1_000_000, "ms") }
        if magnitude >= 1_000 { return thousandths(1_000, "us") }
        return "\(sign)\(magnitude)ns"
    }
}

extension Int64 {
    /// The sum, or the nearer end of the range.
    func saturatingPlus(_ other: Int64) -> Int64 {
        let (result, overflow) = addingReportingOverflow(other)
        return overflow ? (other > 0 ? .max : .min) : result
    }
    /// The difference, or the nearer end of the range.
    func saturatingMinus(_ other: Int64) -> Int64 {
        let (result, overflow) = subtractingReportingOverflow(other)
        return overflow ? (other < 0 ? .max : .min) : result
    }
    /// The product, or the nearer end of the range.
    func saturatingTimes(_ other: Int64) -> Int64 {
        let (result, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? ((self < 0) == (other < 0) ? .max : .min) : result
    }
}
