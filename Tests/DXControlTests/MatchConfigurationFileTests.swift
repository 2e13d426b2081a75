import DXSocket
import DXTestFiles
import Testing

@testable import DXControl

@Suite struct MatchConfigurationFileTests {
    private let directory = TemporaryDirectory()

    private func read(_ text: String) throws -> MatchSettings {
        try MatchConfigurationFile.read(directory.write(text, to: "matchd.yaml"))
    }

    @Test func everything() throws {
        let settings = try read(
            """
            listen: ["192.0.2.11:3478", "[2001:db8::1]:3478"]
            alternate: "192.0.2.12:3479"
            state: /var/lib/dx/matchd
            groups: groups
            stun: false
            registry: memory
            metrics: "127.0.0.1:9479"
            drain_seconds: 30
            """)
        var expected = MatchSettings()
        expected.listen = try [ListenAddress(text: "192.0.2.11:3478"), ListenAddress(text: "[2001:db8::1]:3478")]
        expected.alternate = [try ListenAddress(text: "192.0.2.12:3479")]
        expected.state = "/var/lib/dx/matchd"
        expected.groups = directory.file("groups")
        expected.answersSTUN = false
        expected.registry = "memory"
        expected.metrics = try ListenAddress(text: "127.0.0.1:9479")
        expected.drainSeconds = 30
        #expect(settings == expected)
        #expect(try read("") == MatchSettings())
        #expect(try read("open: true").isOpen)
    }

    @Test(arguments: [
        ("lisen: \":1\"", "1:1: unknown key \"lisen\"; did you mean \"listen\"?"),
        ("listen: nowhere", "1:9: \"listen\" is \"nowhere\"; write ADDRESS:PORT"),
        ("listen:\n  - \":3478\"\n  - x", "3:5: "),
        ("groups: g\nopen: true", "2:7: both groups and open; keep one"),
        ("stun: maybe", "1:7: \"stun\" is \"maybe\"; write true or false"),
        ("drain_seconds: 4000", "1:16: 4000 s; write 0 to 3600"),
        ("- x", "1:1: "), ("a: [", ""),
    ])
    func mistakesHaveAPlace(_ text: String, _ words: String) {
        let error = #expect(throws: ConfigurationFileError.self) { try read(text) }
        #expect(error?.description.hasPrefix("\(directory.file("matchd.yaml")):\(words)") == true, "\(error as Any)")
    }
}
