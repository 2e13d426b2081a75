import DXWire
import FoundationEssentials
import Testing

@testable import DXSecure

/// The checks that the fuzzer runs, on seeds, their truncations and changes, noise, and the cases that once broke.
@Suite struct SecurePropertyTests {
    @Test(arguments: SecureProperty.allCases)
    func anyBytes(property: SecureProperty) throws {
        let checker = try SecurePropertyChecker()
        var random = RandomSource(seed: 21)
        for seed in try checker.seeds(property) {
            try checker.check(property, seed)
            let step = property == .handshakeDatagram ? 7 : 1
            for count in stride(from: 0, to: seed.count, by: step) {
                try checker.check(property, Array(seed.prefix(count)))
                var changed = seed
                changed[count] = UInt8(truncatingIfNeeded: random.next())
                try checker.check(property, changed)
            }
        }
        for _ in 0..<(property == .handshakeDatagram ? 200 : 3_000) {
            try checker.check(property, (0..<random.below(300)).map { _ in UInt8(truncatingIfNeeded: random.next()) })
        }
    }

    @Test(arguments: SecureProperty.allCases)
    func savedCasesHold(property: SecureProperty) throws {
        // ROOT/Tests/DXSecureTests/SecurePropertyTests.swift
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        let folder = "\(root)/Fuzz/FailCases/\(property.rawValue)"
        let checker = try SecurePropertyChecker()
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            let bytes = Array(try Data(contentsOf: URL(filePath: "\(folder)/\(name)")))
            #expect(throws: Never.self, "\(name)") { try checker.check(property, bytes) }
        }
    }
}
