import DXControl
import DXTestFiles
import DXTunnel
import Testing

/// `paths` and `multipath` in a file.
@Suite struct PathRulesReadingTests {
    private let directory = TemporaryDirectory()

    private func rules(_ text: String) throws -> PathRules {
        try GatewayConfigurationFile.settings(path: directory.write(text, to: "gateway.yaml")).paths
    }

    private func problems(_ text: String) throws -> [String] {
        let error = try #require(throws: ConfigurationFileError.self) { try rules(text) }
        return error.problems.map { "\($0.position?.line ?? 0): \($0.message); \($0.remedy)" }
    }

    @Test func nothingIsSaid() throws { #expect(try rules("") == PathRules()) }

    @Test(arguments: PathRules.Multipath.allCases) func howSeveralAreUsed(mode: PathRules.Multipath) throws {
        #expect(try rules("multipath: \(mode.rawValue)\n").multipath == mode)
    }

    @Test func whatInterfacesAreFor() throws {
        let text =
            "paths:\n  wwan0: [backup, metered]\n  \"eth*\": [primary]\n  docker0: [off]\n  ppp0: metered\n  lo: primary\n"
        #expect(
            try rules(text).interfaces == [
                PathRules.Rule(pattern: "wwan0", preference: .backup, isMetered: true),
                PathRules.Rule(pattern: "eth*", preference: .primary),
                PathRules.Rule(pattern: "docker0", preference: nil),
                PathRules.Rule(pattern: "ppp0", preference: .backup, isMetered: true),
                PathRules.Rule(pattern: "lo", preference: .primary),
            ])
        #expect(try rules("paths: {wwan0: [primary, metered]}\n").interfaces[0].preference == .primary)
    }

    @Test func mistakesAreNamed() throws {
        #expect(try problems("multipath: both\n")[0].contains("standby or redundant or aggregate or off"))
        #expect(
            try problems("paths:\n  eth0: [fast]\n") == [
                "2: \"fast\" is not what an interface can be; write primary, backup, metered or off"
            ])
        #expect(try problems("paths: {eth0: [off, backup]}\n")[0].contains("off and backup at once"))
        #expect(try problems("paths: {eth0: [primary, backup]}\n")[0].contains("primary and backup at once"))
        #expect(try problems("paths: {eth0: []}\n")[0].contains("nothing is said"))
        #expect(try problems("paths: {eth0: [off, off]}\n")[0].contains("a word twice"))
        #expect(try problems("paths: {a-name-that-is-long: [off]}\n")[0].contains("is no interface's name"))
        for text in [
            "paths: eth0\n", "paths: [eth0]\n", "paths: {eth0: {}}\n", "paths: {eth0: }\n",
            "paths: {eth0: off, eth0: off}\n",
        ] {
            #expect(try problems(text).count == 1, "\(text)")
        }
    }
}
