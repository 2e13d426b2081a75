public import DXWire

/// How large the datagrams of a path may be, as far as that is known beforehand.
public struct PathBounds: Hashable, Sendable, BitwiseCopyable {
    /// What the path certainly carries, in bytes of UDP payload: 1200, or 1080 through another member.
    public var minimum: Int
    /// What is never tried to be passed; the peer's own limit holds beside it.
    public var maximum: Int
    /// Whether a packet may go in several datagrams (`docs/wire-format.md` §2.2).
    public var allowsFragments: Bool

    /// The bounds of any path unless told otherwise.
    public init(
        minimum: Int = Constants.minimumDatagram, maximum: Int = Constants.maximumDatagram, allowsFragments: Bool = true
    ) {
        self.minimum = minimum
        self.maximum = maximum
        self.allowsFragments = allowsFragments
    }
}
