public import DXMatch

/// What carries registrations between instances that share them (`docs/matchmaking.md` §4.3): a store with subscriptions, on threads
/// of its own. It tells the others what happens here, and applies here what the others tell (`Matchmaker.apply`).
public protocol MatchMirror: Sendable {
    /// Something happened here. Called on the matchmaker's event loop: it must not wait.
    func tell(_ event: RegistryEvent)
    /// What it has done.
    var statistics: MirrorStatistics { get }
}

/// Counts of a mirror since the start.
public struct MirrorStatistics: Equatable, Sendable {
    /// Whether the store is there now. Without it the matchmaker goes on alone.
    public var isConnected = false
    /// How often it came back.
    public var reconnects: UInt64 = 0
    /// Messages to the other instances.
    public var sent: UInt64 = 0
    /// Messages of other instances.
    public var received: UInt64 = 0
    /// Events that the others were not told of, because the store was away or too slow. What is held is told when it is back.
    public var lost: UInt64 = 0
    /// Messages that do not open or cannot be read: of an instance with other secrets, or of nobody's.
    public var unreadable: UInt64 = 0

    /// All zero.
    public init() {}
}
