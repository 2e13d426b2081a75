/// Counters of one session's record layer. They only rise.
public struct SessionStatistics: Equatable, Sendable, BitwiseCopyable {
    /// Records sealed.
    public internal(set) var sealed: UInt64 = 0
    /// Records opened.
    public internal(set) var opened: UInt64 = 0
    /// Datagrams with a record number already seen or too old.
    public internal(set) var replayed: UInt64 = 0
    /// Datagrams that were no record of this session.
    public internal(set) var rejected: UInt64 = 0

    /// All zero.
    public init() {}
}
