import FuzzDriver

/// What DXMatch reads: a target for each `MatchProperty`, which the unit tests check too (Tests/DXMatchTests).
@main
struct FuzzMatch {
    static func main() {
        FuzzDriver.run(
            MatchProperty.allCases.map { property in
                FuzzTarget(name: "\(property)", seeds: property.seeds) { try property.check($0) }
            })
    }
}
