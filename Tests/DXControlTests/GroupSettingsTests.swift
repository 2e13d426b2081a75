import DXControl
import DXTestFiles
import DXTunnel
import Testing

/// What a gateway of a group may say in a file of its own.
@Suite struct GroupSettingsTests {
    private let directory = TemporaryDirectory()

    private func settings(_ text: String) throws -> LocalSettings {
        try GatewayConfigurationFile.settings(path: directory.write(text, to: "gateway.yaml"))
    }

    private func problems(_ text: String) throws -> [String] {
        let error = try #require(throws: ConfigurationFileError.self) { try settings(text) }
        return error.problems.map { "\($0.position?.line ?? 0): \($0.message); \($0.remedy)" }
    }

    @Test func nothingIsServedUnlessAskedFor() throws {
        #expect(try settings("").serveMatch == nil)
        #expect(try settings("listen: \":7700\"\n").serveMatch == nil)
        #expect(try settings("serve_match: false\n").serveMatch == nil)
    }

    @Test func aMatchmakerIsServedWhereItIsSaid() throws {
        #expect(try settings("serve_match: true\n").serveMatch?.listen == HostAddress(host: "", port: 3_478))
        let at = try settings("listen: \":7700\"\nserve_match: {listen: \"[2001:db8::7]:3500\"}\n")
        #expect(at.serveMatch?.listen == HostAddress(host: "2001:db8::7", port: 3_500))
        #expect(at.listen.port == 7_700)
    }

    @Test func nothingIsForwardedUnlessAskedFor() throws {
        #expect(try settings("").forward == nil && settings("forward: false\n").forward == nil)
        #expect(try settings("forward: true\n").forward?.bitsPerSecond == LocalSettings.Forward.usualRate)
        #expect(try settings("forward: {rate: 500K}\n").forward?.bitsPerSecond == 500_000)
        #expect(try problems("forward: maybe\n")[0].contains("true, false or {rate: 20M}"))
        for text in ["forward: {}\n", "forward: {rate: 1K}\n", "forward: {rate: 20M, to: all}\n"] {
            #expect(try problems(text).count == 1, "\(text)")
        }
    }

    @Test func whatMakesNoSenseIsNamed() throws {
        #expect(
            try problems("serve_match: maybe\n")[0].hasPrefix("1: ")
                && problems("serve_match: maybe\n")[0].contains("true, false or {listen: \":3478\"}"))
        #expect(
            try problems("serve_match: {}\n") == ["1: missing key \"listen\" in serve_match; add listen: \":3478\""])
        #expect(
            try problems("serve_match: {listen: \":0\"}\n") == [
                "1: a matchmaker at port 0 is found by nobody; give a port, as in \":3478\""
            ])
        #expect(try problems("serve_match: {listen: \"x\"}\n").count == 1)
        #expect(try problems("serve_match: {listen: \":1\", port: 2}\n").count == 1)
    }

    /// Limits have the same ranges in a group as without one.
    @Test func limitsOutOfRangeAreNamed() throws {
        #expect(try settings("limits: {memory: 4MiB, connections: 65536}\n").limits.connections == 65_536)
        #expect(
            try problems("limits:\n  memory: 1MiB\n  connections: 0\n") == [
                "2: 1048576 is outside 4194304 to 68719476736; write a number in that range",
                "3: 0 is outside 1 to 65536; write a number in that range",
            ])
        for text in ["liveness: 1s", "connect_timeout: 0s", "drain_timeout: 2h", "threads: 0", "socket_buffer: 1"] {
            #expect(try problems("limits: {\(text)}\n").count == 1, "\(text)")
        }
        // What cannot be read is told once.
        #expect(try problems("limits: {memory: much}\n").count == 1)
    }

    /// Two sockets cannot have one port, but at two addresses.
    @Test func itsPlaceIsNotTheGatewaysOwn() throws {
        for text in [
            "listen: \":3478\"\nserve_match: true\n", "listen: \"127.0.0.1:3478\"\nserve_match: true\n",
            "listen: \":9\"\nserve_match: {listen: \"127.0.0.1:9\"}\n",
            // The one beside it is taken, too.
            "listen: \":3479\"\nserve_match: true\n",
            "listen: \"127.0.0.1:9\"\nserve_match: {listen: \"127.0.0.1:9\"}\n",
        ] {
            let found = try problems(text)
            #expect(found.count == 1 && found[0].contains("is the gateway's own"))
        }
        let apart = try settings("listen: \"127.0.0.1:9\"\nserve_match: {listen: \"127.0.0.2:9\"}\n")
        #expect(apart.serveMatch?.listen.host == "127.0.0.2")
    }
}
