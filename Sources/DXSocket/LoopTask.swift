/// A task for an event loop that is made once and given to it again and again.
///
/// A closure in a structure, because an optional closure is wrapped anew each time it is taken out: that allocates, and
/// one that is put back grows with each turn.
public struct LoopTask: Sendable {
    /// What the event loop is to run.
    public let run: @Sendable () -> Void

    /// A task that runs this.
    public init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}
