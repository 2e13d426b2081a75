import DXControl
import DXTestFiles
import DXTunnel
import Foundation
import Testing

/// The built `dxgateway`, run as a person runs it.
private struct Program {
    /// It is built beside the test bundle.
    static let url = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().appendingPathComponent("dxgateway")

    let output: String
    let errors: String
    let status: Int32

    /// Runs it to its end, with an environment that names no gateway.
    init(_ arguments: String..., environment: [String: String] = [:]) throws {
        try self.init(arguments, environment: environment)
    }

    /// The same with arguments that are in an array.
    init(_ arguments: [String], environment: [String: String] = [:]) throws {
        let process = Self.process(arguments, environment)
        let output = Pipe()
        let errors = Pipe()
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        // What is written here fits into the pipes' buffers, so one can be read after the other.
        self.output = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        self.errors = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        status = process.terminationStatus
    }

    static func process(_ arguments: [String], _ environment: [String: String] = [:]) -> Process {
        let process = Process()
        process.executableURL = url
        process.arguments = arguments
        process.environment = environment
        return process
    }
}

@Suite struct ProgramTests {
    private let directory = TemporaryDirectory()

    // MARK: Usage

    @Test(arguments: [
        ["bogus"], ["--bogus"], ["keygen"], ["keygen", "--out"], ["run", "--log-format", "xml"],
        ["config", "validate"],
        ["config", "match", "add"], ["config", "match", "add", "match.example:3478"],
        ["init", "--group", "g", "--name", "n", "--match", "match.example:3478"],
        ["netcheck", "--match", "match.example"], ["netcheck", "--match", "match.example:3478#x"],
        ["netcheck", "--stun", ":3478"], ["netcheck", "--stun", "stun.example:0"],
        ["netcheck", "--stun", "stun.example:3478", "--control", "/run/dx/gateway.sock"], ["explain"],
        ["completions"], ["completions", "tcsh"], ["peers", "a", "b"], ["doctor", "extra"], ["top", "--json"],
        ["ping"], ["ping", "a", "--count", "0"], ["ping", "a", "--count", "101"], ["status", "extra"],
    ])
    func endsWith2OnWrongUsage(_ arguments: [String]) throws {
        let process = Program.process(arguments)
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 2)
        #expect(text.contains("Usage: dxgateway"))
    }

    @Test func saysItsVersionAndHelp() throws {
        let version = try Program("--version")
        #expect((version.status, version.output) == (0, "dxgateway \(DXVersion.current)\n"))
        let help = try Program("--help")
        #expect(help.status == 0 && help.output.contains("Exit codes: 0 done"))
        for verb in ["keygen", "run", "config", "status", "peers", "top", "doctor", "ping", "demo", "completions"] {
            #expect(help.output.contains("\n  \(verb) "))
            #expect(try Program(verb, "--help").status == 0)
        }
    }

    // MARK: keygen and config validate

    @Test func makesKeysOnce() throws {
        let key = directory.file("a.key")
        let made = try Program("keygen", "--out", key)
        #expect(made.status == 0)
        let id = try #require(GatewayID(text: String(made.output.dropLast())))
        #expect(try KeyFiles.gatewayID(at: key) == id)
        #expect(TemporaryDirectory.mode(of: key) == 0o600)
        let again = try Program("keygen", "--out", key)
        #expect(again.status == 1)
        #expect(again.errors.contains("exists already; name another file"))
        #expect(try KeyFiles.gatewayID(at: key) == id)
        let veil = try Program("keygen", "--veil", "--out", directory.file("g.key"))
        #expect((veil.status, veil.output) == (0, ""))
        #expect(try Program("keygen", "--veil", "--out", directory.file("g.key")).status == 1)
        #expect(try Program("keygen", "--out", directory.file("none/a.key")).status == 1)
        let json = try Program("keygen", "--json", "--out", directory.file("b.key"))
        #expect(json.output.hasPrefix("{\"file\":\"\(directory.file("b.key"))\",\"id\":\""))
    }

    @Test func validatesConfigurations() throws {
        let folder = try ConfigurationFolder()
        let good = folder.directory.write(GatewayConfigurationFileTests.good, to: "good.yaml")
        let accepted = try Program("config", "validate", good)
        #expect(
            (accepted.status, accepted.output)
                == (0, "\(good) is good: gateway edge-1, 1 peers, 1 tunnels\nid \(folder.id)\n"))
        let bad = folder.directory.write("name: a b\nidentity: none.key\nveil: group.key\n", to: "bad.yaml")
        let refused = try Program("config", "validate", bad)
        #expect(refused.status == 1)
        #expect(refused.output.isEmpty)
        #expect(refused.errors.contains("\n\(bad):1:7: bad name \"a b\"; "))
        #expect(refused.errors.contains("\n\(bad):2:11: identity "))
        #expect(
            try Program("config", "validate", "--json", bad).output.hasPrefix(
                #"{"problems":[{"column":7,"file":"\#(bad)","line":1,"message":"bad name \"a b\"","#))
        // `run` refuses the same, and leaves no control socket behind.
        let run = try Program("run", "--config", bad)
        #expect(run.status == 1 && run.errors == refused.errors)
    }

    // MARK: Without a gateway

    @Test func endsWith3WhenNoGatewayRuns() throws {
        let dead = directory.makeDeadSocket("dead.sock")
        for arguments in [["status"], ["ping", "cloud-1"]] {
            for path in [dead, directory.file("none.sock")] {
                let process = Program.process(arguments + ["--control", path])
                let errors = Pipe()
                process.standardError = errors
                try process.run()
                let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
                process.waitUntilExit()
                #expect(process.terminationStatus == 3)
                #expect(text.hasPrefix("dxgateway: no gateway is running at \(path) ("))
            }
        }
        #expect(try Program("status", "--state", directory.path).status == 3)
        let named = try Program("status", environment: ["DX_CONTROL": directory.file("x.sock")])
        #expect(named.status == 3 && named.errors.contains(directory.file("x.sock")))
    }

    @Test func asksBetweenSeveralGateways() throws {
        directory.makeDirectory("dx")
        directory.makeDeadSocket("dx/edge-1.sock")
        directory.makeDeadSocket("dx/edge-2.sock")
        // Only where the system's directory has no sockets of its own.
        guard case .none = ControlLocator(environment: [:]).locate() else { return }
        let several = try Program("status", environment: ["XDG_RUNTIME_DIR": directory.path])
        #expect(several.status == 1)
        #expect(several.errors.hasSuffix("  --control \(directory.path)/dx/edge-2.sock\n"))
    }

    // MARK: With a gateway

    /// Runs a gateway with no peers while `body` runs; it must end with 0 on `signal`.
    private func withGateway(
        signal: Int32 = SIGTERM, _ body: (ConfigurationFolder, String) throws -> Void
    ) throws {
        let folder = try ConfigurationFolder()
        let file = folder.directory.write(
            "name: edge-1\nidentity: edge-1.key\nveil: group.key\nlisten: \"127.0.0.1:0\"\ncontrol: edge.sock\n",
            to: "edge.yaml")
        let process = Program.process(["run", "--config", file, "--log-format", "json"])
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        // The log says when the socket is there; the end of the log means that the process ended.
        var log = ""
        while !log.contains("control socket ready") {
            let chunk = errors.fileHandleForReading.availableData
            guard !chunk.isEmpty else {
                Issue.record("the gateway ended: \(log)")
                return
            }
            log += String(decoding: chunk, as: UTF8.self)
        }
        defer {
            kill(process.processIdentifier, signal)
            _ = errors.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            #expect(process.terminationReason == .exit)
            #expect(process.terminationStatus == 0)
            #expect(!folder.directory.names.contains("edge.sock"))
        }
        try body(folder, file)
    }

    @Test func runsUntilTerminated() throws {
        try withGateway { folder, file in
            let socket = folder.directory.file("edge.sock")
            #expect(TemporaryDirectory.mode(of: socket) == 0o600)
            let status = try Program("status", "--control", socket)
            #expect(status.status == 0)
            #expect(status.output.hasPrefix("edge-1 is healthy, up "))
            let json = try Program("status", "--json", environment: ["DX_CONTROL": socket])
            let decoded = try JSONDecoder().decode(GatewayStatus.self, from: Data(json.output.utf8))
            #expect(decoded.id == folder.id.text)
            #expect(decoded.listen.count == 1 && decoded.listen[0].hasPrefix("127.0.0.1:"))
            #expect(try Program("peers", "--control", socket).output == "no peers\n")
            #expect(try Program("peers", "--json", "--control", socket).output == "{\"peers\":[],\"schema\":1}\n")
            let nobody = try Program("peers", "nobody", "--control", socket)
            #expect(
                nobody.status == 1
                    && nobody.errors == "dxgateway: there is no peer nobody; dxgateway peers lists them\n")
            // Without a group, the ends here are all there is.
            #expect(try Program("tunnel", "list", "--control", socket).output == "no tunnels\n")
            #expect(
                try Program("tunnel", "list", "--json", "--control", socket).output == "{\"here\":[],\"schema\":1}\n")
            #expect(
                try Program("tunnel", "show", "web", "--control", socket).errors.contains("there is no tunnel web; "))
            let top = try Program("top", "--control", socket)
            #expect(top.status == 1 && top.errors.contains("dxgateway status --json"))
            let ping = try Program("ping", "nobody", "--control", socket)
            #expect(ping.status == 1)
            #expect(ping.errors == "dxgateway: there is no peer nobody; dxgateway peers lists them\n")
            // A second one with the same file is refused, by name.
            let second = try Program("run", "--config", file)
            #expect(second.status == 1)
            #expect(second.errors.contains("control socket \(socket) is in use by a running gateway; stop that one"))
        }
    }

    @Test func runsUntilInterrupted() throws { try withGateway(signal: SIGINT) { _, _ in } }

    /// Runs a gateway of a new group while `body` runs, which gets the arguments that name its state.
    private func withGroup(matchmakers: [String] = [], _ body: ([String]) throws -> Void) throws {
        let place = ["--state", directory.file("hq")]
        let made = try Program(
            ["init", "--group", "plant", "--name", "hq"] + place + matchmakers.flatMap { ["--match", $0] })
        #expect(made.status == 0)
        let settings = directory.write("listen: \"127.0.0.1:0\"\n", to: "gateway.yaml")
        let process = Program.process(["run", "--config", settings] + place)
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        defer {
            kill(process.processIdentifier, SIGTERM)
            _ = errors.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
        }
        var log = ""
        while !log.contains("control socket ready") {
            let chunk = errors.fileHandleForReading.availableData
            try #require(!chunk.isEmpty, "the gateway ended: \(log)")
            log += String(decoding: chunk, as: UTF8.self)
        }
        try body(place)
    }

    @Test func tellsOfMatchmakers() throws {
        let pin = "fgb37qjes4oifss24kkcopsvdvwjwkhvrfwn63synvvewwjjw7va"
        let (first, second) = ("match.example:3478#\(pin)", "192.0.2.7:3478#\(pin)")
        try withGroup(matchmakers: [first]) { place in
            let key = try Program(["config", "match-key"] + place)
            #expect(key.status == 0 && key.output.utf8.count == 45 && key.errors.isEmpty)
            let shown = try Program(["group", "show"] + place)
            #expect(shown.output.contains("matchmaker \(first)"))
            let added = try Program(["config", "match", "add", second] + place)
            #expect(added.status == 0 && added.output.hasPrefix("\(first)\n\(second)\nrevision "))
            let again = try Program(["config", "match", "add", second] + place)
            #expect(again.status == 1 && again.errors.contains("192.0.2.7:3478 is there already; "))
            #expect(try Program(["config", "match", "remove", "match.example:3478"] + place).status == 0)
            #expect(try Program(["config", "match", "list"] + place).output == second + "\n")
            let json = try Program(["config", "match", "list", "--json"] + place).output
            let reply = try JSONDecoder().decode(MatchReply.self, from: Data(json.utf8))
            #expect(reply.schema == 1 && reply.match.servers == [second] && !reply.match.madeKey)
            #expect(reply.match.key.map { $0 + "\n" } == key.output)
            #expect(json.contains("\"made_key\":false"))
            let new = try Program(["config", "match-key", "--new"] + place)
            #expect(new.status == 0 && new.output != key.output && new.errors.contains("dxmatchd --groups"))
            #expect(try Program(["config", "show"] + place).output.contains("matchmaker \(second)"))
        }
    }

    @Test func namesAPortInUse() throws {
        try withGateway { folder, _ in
            let socket = folder.directory.file("edge.sock")
            let json = try Program("status", "--json", "--control", socket).output
            let listen = try JSONDecoder().decode(GatewayStatus.self, from: Data(json.utf8)).listen[0]
            let other = folder.directory.write(
                "name: edge-2\nidentity: edge-1.key\nveil: group.key\nlisten: \"\(listen)\"\ncontrol: other.sock\n",
                to: "other.yaml")
            let refused = try Program("run", "--config", other)
            #expect(refused.status == 1)
            #expect(refused.errors.contains(listen))
            #expect(!folder.directory.names.contains("other.sock"))
        }
    }

    @Test func tellsItsDemo() throws {
        let demo = try Program("demo")
        #expect(demo.status == 0)
        #expect(demo.output.hasSuffix("\nThe page came through the tunnel, byte for byte.\n"))
        #expect(demo.errors.isEmpty)
    }
}
