/// One thing that is fed any bytes at all.
public struct FuzzTarget: Sendable {
    /// The name on the command line and of its folder in `FailCases`.
    public let name: String
    /// Valid inputs to start from.
    public let seeds: [[UInt8]]
    /// Called with each case; traps or throws when a promise is broken.
    public let check: @Sendable ([UInt8]) throws -> Void

    /// A target of this name.
    public init(name: String, seeds: [[UInt8]], check: @escaping @Sendable ([UInt8]) throws -> Void) {
        self.name = name
        self.seeds = seeds
        self.check = check
    }
}
