import DXControl
import DXTestFiles
import DXTunnel
import Testing

/// The keys that say how a tunnel stays available.
@Suite struct AvailabilityReadingTests {
    private func text(_ keys: String, further: String = "") -> String {
        """
        name: edge-1
        identity: edge-1.key
        veil: group.key
        peers: [{name: cloud-1, id: \(idText("b"))}]
        \(further)
        tunnels:
          - name: shell
            origins: [{gateway: cloud-1}]
            destinations: [{gateway: edge-1, target: "[::1]:22", order: 3, weight: 4}]
            \(keys)
        """
    }

    private func tunnel(_ keys: String, further: String = "") throws -> GatewayConfiguration.Tunnel {
        try ConfigurationFolder().read(text(keys, further: further)).tunnels[0]
    }

    @Test func readsHealthChecks() throws {
        #expect(try tunnel("").healthCheck == nil)
        #expect(try tunnel("health: {check: tcp}").healthCheck == .init(.tcp))
        let full = "health: {check: http, path: /health, expect: 204, interval: 500ms, timeout: 1s, rise: 3, fall: 4}"
        #expect(
            try tunnel(full).healthCheck
                == .init(
                    .http(path: "/health", expect: 204), interval: .milliseconds(500), timeout: .seconds(1), rise: 3,
                    fall: 4))
        #expect(try tunnel("health: {check: http}").healthCheck == .init(.http(path: "/", expect: nil)))
        let command = try tunnel(
            "health: {check: command, command: disk}", further: "health_commands: {disk: [/bin/check, \"-v\"]}")
        #expect(command.healthCheck == .init(.command(name: "disk")))
    }

    @Test func readsTheRest() throws {
        let plain = try tunnel("")
        #expect(!plain.isSticky && plain.failback == nil && plain.hold == nil)
        #expect(plain.destinations[0].order == 3 && plain.destinations[0].weight == 4)
        #expect(try tunnel("sticky: true").isSticky)
        #expect(try tunnel("failback: manual").failback == .manual)
        #expect(try tunnel("failback: 0s").failback == .after(.zero))
        #expect(try tunnel("failback: 2m").failback == .after(.seconds(120)))
        #expect(try tunnel("hold: 1h").hold == .seconds(3_600))
        let limits = try ConfigurationFolder().read(
            text("", further: "limits: {liveness: 20s, drain_timeout: 5m, restart_timeout: 2h}")
        )
        .limits
        #expect(limits.liveness == .seconds(20) && limits.drainTimeout == .seconds(300))
        #expect(limits.restartTimeout == .seconds(7_200))
    }

    @Test(
        arguments: [
            ("health: {}", "missing key \"check\""), ("health: {check: ping}", "write tcp, http or command"),
            ("health: {check: tcp, path: /}", "not for the check tcp"),
            ("health: {check: command}", "names none"),
            ("health: {check: command, command: disk}", "there is no health command"),
            ("health: {check: http, path: health}", "does not begin with /"),
            ("health: {check: tcp, interval: 1ms}", "outside 100ms to 1h"),
            ("health: {check: tcp, fall: 0}", "rise or fall"),
            ("failback: never", "write manual, or a time"), ("failback: 2h", "outside 0 to 1 hour"),
            ("hold: 25h", "outside 1 second to 24 hours"), ("sticky: yes", "write true or false"),
        ])
    func whatMakesNoSenseIsNamed(keys: String, words: String) throws {
        let problems = try ConfigurationFolder().problems(text(keys))
        #expect(problems.count == 1)
        #expect(problems.first?.contains(words) ?? false, "\(problems)")
    }

    @Test func commandsAreWholePaths() throws {
        let directory = TemporaryDirectory()
        func settings(_ text: String) throws -> LocalSettings {
            try GatewayConfigurationFile.settings(path: directory.write(text, to: "gateway.yaml"))
        }
        #expect(try settings("health_commands: {disk: [/bin/true]}\n").healthCommands == ["disk": ["/bin/true"]])
        #expect(throws: ConfigurationFileError.self) { try settings("health_commands: {disk: [true]}\n") }
        #expect(throws: ConfigurationFileError.self) { try settings("health_commands: {disk: []}\n") }
        #expect(throws: ConfigurationFileError.self) { try settings("health_commands: {disk: /bin/true}\n") }
        let problems = try ConfigurationFolder().problems(text("", further: "health_commands: {\"a b\": [sh]}"))
        #expect(problems.count == 2)
    }
}
