import DXWire
import FoundationEssentials
import Testing

@testable import DXMatch

/// The checks that the fuzzer runs, on seeds, their truncations and changes, noise, and the cases that once broke.
@Suite struct MatchPropertyTests {
    @Test(arguments: MatchProperty.allCases)
    func anyBytes(property: MatchProperty) throws {
        var random = RandomSource(seed: 23)
        #expect(!property.seeds.isEmpty)
        for seed in property.seeds {
            try property.check(seed)
            for count in 0..<seed.count {
                try property.check(Array(seed.prefix(count)))
                var changed = seed
                changed[count] = UInt8(truncatingIfNeeded: random.next())
                try property.check(changed)
            }
        }
        for _ in 0..<2_000 {
            try property.check((0..<random.below(300)).map { _ in UInt8(truncatingIfNeeded: random.next()) })
        }
    }

    /// A seed that goes wrong at once tells nothing: PCP and NAT-PMP map a port, UPnP is asked for one.
    @Test func theScriptsOfRoutersGetSomewhere() throws {
        let reached = try PortMapperScript.seeds.map { try PortMapperScript.run($0) }
        #expect(reached.map { $0.mappings > 0 } == [true, true, false])
        #expect(reached.map { $0.requests >= 3 } == [false, false, true], "\(reached)")
    }

    @Test(arguments: MatchProperty.allCases)
    func savedCasesHold(property: MatchProperty) throws {
        // ROOT/Tests/DXMatchTests/MatchPropertyTests.swift
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        let folder = "\(root)/Fuzz/FailCases/\(property)"
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            let bytes = Array(try Data(contentsOf: URL(filePath: "\(folder)/\(name)")))
            #expect(throws: Never.self, "\(name)") { try property.check(bytes) }
        }
    }
}
