/// How gladly a gateway uses a path; lower ones are used first (`docs/wire-format.md` §6.17).
public enum PathPreference: UInt8, Comparable, Sendable, BitwiseCopyable, CaseIterable {
    /// Like any other.
    case primary = 0
    /// When no primary path answers.
    case backup = 1
    /// It costs money: keepalives, and data only while nothing else answers.
    case metered = 2

    /// Orders by gladness.
    public static func < (left: PathPreference, right: PathPreference) -> Bool { left.rawValue < right.rawValue }
}

/// PATH_STATUS (`docs/wire-format.md` §6.17): how gladly the sender has this path used.
public struct PathStatusFrame: Equatable, Sendable, BitwiseCopyable {
    /// The path, which is the one that carries the frame.
    public var id: PathID
    /// Counts what was said of the path; of two the higher holds.
    public var sequence: UInt64
    /// How gladly.
    public var preference: PathPreference

    /// A frame with these fields.
    public init(id: PathID, sequence: UInt64, preference: PathPreference) {
        self.id = id
        self.sequence = sequence
        self.preference = preference
    }
}
