import FuzzDriver

/// The decoders of DXWire: a target for each `WireProperty`, which the unit tests check too (Tests/DXWireTests).
@main
struct FuzzWire {
    static func main() {
        FuzzDriver.run(
            WireProperty.allCases.map { property in
                FuzzTarget(name: property.rawValue, seeds: property.seeds) { _ = try property.check($0) }
            })
    }
}
