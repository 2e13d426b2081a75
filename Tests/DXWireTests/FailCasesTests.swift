import Testing

/// The cases that once broke a decoder, found by the fuzzer or by thought, in `Fuzz/FailCases/TARGET`.
@Suite struct FailCasesTests {
    @Test(arguments: WireProperty.allCases)
    func savedCasesHold(property: WireProperty) throws {
        for path in RepositoryFiles.paths(under: "Fuzz/FailCases/\(property.rawValue)") {
            #expect(throws: Never.self, "\(path)") { try property.check(RepositoryFiles.bytes(path)) }
        }
    }

    /// The folder is where it is looked for: these three are in it.
    @Test func thereAreSavedCases() {
        let paths = RepositoryFiles.paths(under: "Fuzz/FailCases")
        for path in [
            "frames/ack-delay-beyond-time", "packet/number-after-the-last", "parameters/idle-timeout-beyond-time",
        ] {
            #expect(paths.contains("Fuzz/FailCases/\(path)"))
        }
    }
}
