/// The number of a stream within its channel (`docs/wire-format.md` §5.2).
public struct StreamID: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The number on the wire: twice the index, plus the role of who opened it. At most 2^62-1.
    public var rawValue: UInt64

    /// The id with this number on the wire.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// The `index`th stream, from 0, opened by the end with `role`.
    public init(index: UInt64, role: ChannelRole) { rawValue = index &<< 1 | UInt64(role.rawValue) }

    /// Its place among the streams that its opener opened, from 0.
    public var index: UInt64 { rawValue &>> 1 }
    /// Which end opened it.
    public var role: ChannelRole { rawValue & 1 == 0 ? .lower : .upper }

    /// Orders by number.
    public static func < (left: StreamID, right: StreamID) -> Bool { left.rawValue < right.rawValue }
}

extension StreamID: CustomStringConvertible {
    /// The number, in decimal.
    public var description: String { "\(rawValue)" }
}
