/// What a path leads over, as far as the owner of the channel knows: paths that share an end are likely to fail together.
public struct PathEnds: Hashable, Sendable, BitwiseCopyable {
    /// A number for this end's network or address, the same for all paths that begin there; nil when it is not known.
    public var local: UInt64?
    /// A number for the peer's address, the same for all paths that end there; nil when it is not known.
    public var remote: UInt64?

    /// The ends of a path.
    public init(local: UInt64? = nil, remote: UInt64? = nil) {
        self.local = local
        self.remote = remote
    }

    /// How many ends two paths share, 0 to 2.
    func sharedCount(with other: PathEnds) -> Int {
        (local != nil && local == other.local ? 1 : 0) &+ (remote != nil && remote == other.remote ? 1 : 0)
    }
}
