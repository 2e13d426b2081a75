import DXWire
import Testing

/// Every decoder against bytes that nobody meant: it must answer each with a value or a `DecodeError`
/// (`WireProperty`). A trap ends the test run; that is the point.
@Suite struct WirePropertyTests {
    @Test(arguments: WireProperty.allCases)
    func everySeedIsAccepted(property: WireProperty) throws {
        for seed in property.seeds { #expect(try property.check(seed) == .accepted, "\(hexText(seed))") }
    }

    @Test(arguments: WireProperty.allCases)
    func everyTruncationIsAnswered(property: WireProperty) throws {
        for seed in property.seeds {
            for count in 0..<seed.count { _ = try property.check(Array(seed[..<count])) }
        }
    }

    @Test(arguments: WireProperty.allCases)
    func everyChangeOfOneByteIsAnswered(property: WireProperty) throws {
        for seed in property.seeds {
            for index in seed.indices {
                var changed = seed
                for value in UInt8.min...UInt8.max {
                    changed[index] = value
                    _ = try property.check(changed)
                }
            }
        }
    }

    /// 40,000 cases for each decoder: half of them noise, half of them frame-like.
    @Test(arguments: WireProperty.allCases)
    func randomBytesAreAnswered(property: WireProperty) throws {
        var random = RandomSource(seed: 0xd5)
        var accepted = 0
        for round in 0..<40_000 {
            let bytes = round % 2 == 0 ? Self.noise(&random) : Self.likely(property, &random)
            if try property.check(bytes) == .accepted { accepted += 1 }
        }
        // Both answers must have been given often, or the cases test nothing.
        #expect(accepted > 1_000, "\(accepted)")
        #expect(accepted < 39_000, "\(accepted)")
    }

    /// Up to 64 bytes without any form.
    private static func noise(_ random: inout RandomSource) -> [UInt8] {
        (0..<random.below(64)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }

    /// Bytes that a decoder reads far into: seeds put together, cut and changed, and frames of random fields.
    private static func likely(_ property: WireProperty, _ random: inout RandomSource) -> [UInt8] {
        let seeds = property.seeds
        var bytes = seeds[Int(random.below(UInt64(seeds.count)))]
        switch property {
        case .frames, .packet:
            for _ in 0..<random.below(4) { bytes += randomFrame(&random) }
        case .parameters, .bind:
            for _ in 0..<random.below(4) {
                let value = varInt(&random)
                bytes += [UInt8(truncatingIfNeeded: random.below(12)), UInt8(value.count)] + value
            }
        case .gatewayText: break
        case .fragments, .flows:
            for _ in 0..<random.below(4) { bytes += seeds[Int(random.below(UInt64(seeds.count)))] }
        }
        for _ in 0..<random.below(3) where !bytes.isEmpty {
            bytes[Int(random.below(UInt64(bytes.count)))] = UInt8(truncatingIfNeeded: random.next())
        }
        if random.chance(0.2) { bytes.removeLast(Int(random.below(UInt64(bytes.count + 1)))) }
        return bytes
    }

    /// A type and up to ten varints, which is what most frames are.
    private static func randomFrame(_ random: inout RandomSource) -> [UInt8] {
        [UInt8(truncatingIfNeeded: random.below(0x18))] + (0..<random.below(10)).flatMap { _ in varInt(&random) }
    }

    /// A varint of any length; small ones most often, the very largest sometimes.
    private static func varInt(_ random: inout RandomSource) -> [UInt8] {
        let value = random.chance(0.1) ? VarInt.maximum : random.next() >> (2 + random.below(62))
        return encoded(capacity: 8) { $0.writeVarInt(value) }
    }
}
