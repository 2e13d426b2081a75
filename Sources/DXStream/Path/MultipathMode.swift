/// What a channel does with several paths.
public enum MultipathMode: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    /// It uses the newest and keeps no other: both ends retire what a new session replaces.
    case single
    /// One path carries everything; when it does not answer, the next best one does, with all that was on the way.
    case standby
    /// As `standby`, and what interactive streams send goes on the two best paths at once.
    case redundant
    /// Bulk data goes on all paths of the best preference that answer; the quickest carries the rest.
    case aggregate
}
