/// Which end of a channel a gateway is: decides who may choose which path and stream ids.
public enum ChannelRole: UInt8, Sendable, BitwiseCopyable {
    /// The gateway whose id is the smaller of the two.
    case lower = 0
    /// The gateway whose id is the larger of the two.
    case upper = 1

    /// The other end's role.
    public var other: ChannelRole { self == .lower ? .upper : .lower }
}

/// The number of a session within its channel (`docs/wire-format.md` §5.1).
public struct PathID: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The number on the wire: twice the count, plus the role of who chose it.
    public var rawValue: UInt64

    /// The largest value (`docs/wire-format.md` §5.1: the count goes up to 2^30).
    public static let maximum = PathID(rawValue: 1 << 31 | 1)

    /// The id with this number on the wire.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// The id of the `count`th session that the end with `role` initiated.
    public init(count: UInt32, role: ChannelRole) { rawValue = UInt64(count) &<< 1 | UInt64(role.rawValue) }

    /// Which end chose it.
    public var role: ChannelRole { rawValue & 1 == 0 ? .lower : .upper }

    /// Orders by number.
    public static func < (left: PathID, right: PathID) -> Bool { left.rawValue < right.rawValue }
}

extension PathID: CustomStringConvertible {
    /// The number, in decimal.
    public var description: String { "\(rawValue)" }
}
