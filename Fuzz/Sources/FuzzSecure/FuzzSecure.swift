import FuzzDriver

/// What DXSecure reads: a target for each `SecureProperty`, which the unit tests check too (Tests/DXSecureTests).
@main
struct FuzzSecure {
    /// libFuzzer calls on one thread.
    nonisolated(unsafe) private static let checker = Result { try SecurePropertyChecker() }

    static func main() throws {
        let seeds = try checker.get()
        FuzzDriver.run(
            try SecureProperty.allCases.map { property in
                FuzzTarget(name: property.rawValue, seeds: try seeds.seeds(property)) { bytes in
                    try checker.get().check(property, bytes)
                }
            })
    }
}
