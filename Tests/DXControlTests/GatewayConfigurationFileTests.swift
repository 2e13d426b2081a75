import DXControl
import DXTestFiles
import DXTunnel
import Testing

/// A directory with an identity and two veils, as a configuration file needs them beside it.
struct ConfigurationFolder {
    let directory = TemporaryDirectory()
    let id: GatewayID

    init() throws {
        id = try KeyFiles.createIdentity(at: directory.file("edge-1.key"))
        try KeyFiles.createVeil(at: directory.file("group.key"))
        try KeyFiles.createVeil(at: directory.file("old.key"))
    }

    func read(_ text: String) throws(ConfigurationFileError) -> GatewayConfiguration {
        try GatewayConfigurationFile(text: text, path: directory.file("edge.yaml")).configuration
    }

    /// The problems of `text`, as people see them, without the folder's name.
    func problems(_ text: String) -> [String] {
        do throws(ConfigurationFileError) {
            _ = try read(text)
            return []
        } catch {
            return error.problems.map { problem in
                problem.description.split(separator: directory.path + "/", omittingEmptySubsequences: false)
                    .joined()
            }
        }
    }
}

/// 52 characters that are an id, different for each letter given.
func idText(_ letter: Character) -> String { String(repeating: letter, count: 51) + "a" }

@Suite struct GatewayConfigurationFileTests {
    static let good = """
        name: edge-1
        identity: edge-1.key
        veil: group.key
        listen: ":0"
        control: /run/dx/edge-1.sock
        peers:
          - name: cloud-1
            id: "\(idText("b"))"
            addresses: ["203.0.113.5:7700", "[2001:db8::5]:7700", "cloud.example:7700"]
        tunnels:
          - name: web
            origins: [{gateway: edge-1, listen: "127.0.0.1:8080"}]
            destinations: [{gateway: cloud-1, target: "127.0.0.1:80"}]
        """

    /// What a tunnel may say beside its ends.
    @Test func readsTheOptionsOfTunnels() throws {
        let text =
            Self.good + """

                  - name: db
                    origins: [{gateway: edge-1, listen: "unix:/run/app/db.sock", mode: 0660}]
                    destinations: [{gateway: cloud-1, target: "unix:/run/postgresql/.s.PGSQL.5432"}]
                    idle_timeout: 10m
                    compression: deflate
                  - name: media
                    origins: [{gateway: edge-1, listen: "127.0.0.1:8000-8009"}]
                    destinations: [{gateway: cloud-1, target: "10.0.0.5:8000-8009"}]
                    allow: ["10.0.0.0/8", "::1"]
                    proxy_protocol: true
                """
        let tunnels = try ConfigurationFolder().read(text).tunnels
        #expect(tunnels[0].allowed.isEmpty && tunnels[0].idleTimeout == nil && !tunnels[0].proxyProtocol)
        #expect(tunnels[0].compression == nil && tunnels[0].origins[0].socketMode == nil)
        #expect(tunnels[1].origins[0].address == .unix(path: "/run/app/db.sock"))
        #expect(tunnels[1].origins[0].socketMode == 0o660)
        #expect(tunnels[1].destinations[0].address == .unix(path: "/run/postgresql/.s.PGSQL.5432"))
        #expect(tunnels[1].idleTimeout == .seconds(600) && tunnels[1].compression == .deflate)
        #expect(tunnels[2].origins[0].address == .tcp(HostAddress(host: "127.0.0.1", port: 8_000), portCount: 10))
        #expect(tunnels[2].allowed.map(\.description) == ["10.0.0.0/8", "::1/128"])
        #expect(tunnels[2].proxyProtocol)
    }

    @Test func readsTheFileOfTheManual() throws {
        let folder = try ConfigurationFolder()
        let configuration = try folder.read(Self.good)
        let expected = GatewayConfiguration(
            name: "edge-1", identity: .file(path: folder.directory.file("edge-1.key")),
            veils: [.file(path: folder.directory.file("group.key"))], listen: HostAddress(host: "", port: 0),
            controlPath: "/run/dx/edge-1.sock",
            peers: [
                GatewayConfiguration.Peer(
                    name: "cloud-1", id: try #require(GatewayID(text: idText("b"))),
                    addresses: [
                        HostAddress(host: "203.0.113.5", port: 7700), HostAddress(host: "2001:db8::5", port: 7700),
                        HostAddress(host: "cloud.example", port: 7700),
                    ])
            ],
            tunnels: [
                GatewayConfiguration.Tunnel(
                    name: "web",
                    origins: [.init(gateway: "edge-1", listen: HostAddress(host: "127.0.0.1", port: 8080))],
                    destinations: [.init(gateway: "cloud-1", target: HostAddress(host: "127.0.0.1", port: 80))])
            ])
        #expect(configuration == expected)
    }

    @Test func readsEveryOptionalKey() throws {
        let folder = try ConfigurationFolder()
        let configuration = try folder.read(
            """
            name: edge-1
            identity: edge-1.key
            veil: [group.key, old.key]
            listen: "[::1]:7700"
            control: edge-1.sock
            peers:
              - {name: cloud-1, id: \(idText("b")), congestion: bbr}
            tunnels:
              - name: shell
                class: interactive
                share: 64
                max_connections: 20
                rate: 20M
                origins: [{gateway: cloud-1}]
                destinations: [{gateway: edge-1, target: "[::1]:22"}]
            limits: {memory: 128MiB, connections: 100, connect_timeout: 1500ms, socket_buffer: 524288, threads: 3}
            """)
        #expect(
            configuration.veils == [
                .file(path: folder.directory.file("group.key")), .file(path: folder.directory.file("old.key")),
            ])
        #expect(configuration.listen == HostAddress(host: "::1", port: 7700))
        #expect(configuration.controlPath == folder.directory.file("edge-1.sock"))
        #expect(configuration.peers[0].addresses.isEmpty)
        #expect(configuration.peers[0].congestion == .bbr)
        let tunnel = configuration.tunnels[0]
        #expect(tunnel.schedulingClass == .interactive)
        #expect(tunnel.share == 64)
        #expect(tunnel.maximumConnections == 20)
        #expect(tunnel.maximumRate == 20_000_000)
        #expect(tunnel.origins == [.init(gateway: "cloud-1")])
        #expect(
            configuration.limits
                == .init(
                    memoryBytes: 128 << 20, connections: 100, connectTimeout: .milliseconds(1_500),
                    socketBufferBytes: 512 << 10, threads: 3))
    }

    @Test(
        arguments: [
            ("8000", 8_000), ("8K", 8_000), ("500K", 500_000), ("20M", 20_000_000), ("\"1G\"", 1_000_000_000),
            ("100G", 100_000_000_000),
        ] as [(String, UInt64)])
    func readsARate(text: String, rate: UInt64) throws {
        let configuration = try ConfigurationFolder().read(
            """
            name: edge-1
            identity: edge-1.key
            veil: group.key
            peers: [{name: cloud-1, id: \(idText("b"))}]
            tunnels:
              - name: shell
                rate: \(text)
                origins: [{gateway: cloud-1}]
                destinations: [{gateway: edge-1, target: "[::1]:22"}]
            """)
        #expect(configuration.tunnels[0].maximumRate == rate)
    }

    @Test(arguments: [
        ("true", MetricsPlace.standard), ("false", .off),
        ("\"127.0.0.1:9\"", .at(HostAddress(host: "127.0.0.1", port: 9))),
        ("\":9478\"", .at(HostAddress(host: "", port: 9478))), ("\"[::1]:0\"", .at(HostAddress(host: "::1", port: 0))),
    ])
    func whereMetricsAre(_ text: String, _ place: MetricsPlace) throws {
        let configuration = try ConfigurationFolder().read(
            "name: edge-1\nidentity: edge-1.key\nveil: group.key\nmetrics: \(text)\n")
        #expect(configuration.metrics == place)
    }

    @Test func whoMayReadMetrics() throws {
        let folder = try ConfigurationFolder()
        let head = "name: edge-1\nidentity: edge-1.key\nveil: group.key\nmetrics: "
        let place = { try folder.read(head + $0 + "\n").metrics }
        let everywhere = HostAddress(host: "", port: 9478)
        let loopback = HostAddress(host: "127.0.0.1", port: 9)
        // The token is beside the file, as its keys are.
        let access = MetricsAccess(tokenFile: folder.directory.file("tok"), hosts: ["edge-1.example", "b"])
        #expect(
            try place("{address: \":9478\", token: tok, hosts: [Edge-1.example, b]}") == .at(everywhere, access))
        #expect(
            try place("{address: \":9478\", token: /etc/dx/t}")
                == .at(everywhere, MetricsAccess(tokenFile: "/etc/dx/t")))
        // Programs of this host need none.
        #expect(try place("{address: \"127.0.0.1:9\"}") == .at(loopback))
    }

    @Test func metricsForOthersWantAToken() throws {
        let problems = try ConfigurationFolder().problems(
            "name: edge-1\nidentity: edge-1.key\nveil: group.key\nmetrics: {address: \":9478\"}\n")
        #expect(problems.count == 1)
        #expect(
            problems.first?.contains("there is no token; add token: FILE, or use 127.0.0.1:9478") == true, "\(problems)"
        )
    }

    @Test(arguments: [
        "maybe", "\"localhost:9478\"", "9478", "[]", "{}", "{address: \"localhost:1\", token: t}",
        "{address: \"127.0.0.1:1\", hosts: [\"a:1\"]}", "{address: \"127.0.0.1:1\", hosts: [\"\"]}",
        "{address: \"127.0.0.1:1\", tokens: t}", "{address: \"127.0.0.1:1\", token: }",
    ]) func whereMetricsCannotBe(_ text: String)
        throws
    {
        let problems = try ConfigurationFolder().problems(
            "name: edge-1\nidentity: edge-1.key\nveil: group.key\nmetrics: \(text)\n")
        #expect(problems.count == 1 && problems[0].hasPrefix("edge.yaml:4:"))
    }

    @Test(
        arguments: [
            ("true", AuditSettings.usualByteCount), ("false", nil), ("{size: 64KiB}", 64 << 10),
            ("{size: 1GiB}", 1 << 30),
        ] as [(String, Int?)])
    func readsWhatIsKept(text: String, byteCount: Int?) throws {
        let configuration = try ConfigurationFolder().read(
            "name: edge-1\nidentity: edge-1.key\nveil: group.key\naudit: \(text)\n")
        #expect(configuration.audit.byteCount == byteCount)
    }

    @Test(arguments: ["{size: 63KiB}", "{size: 2GiB}", "maybe", "{bytes: 1MiB}"])
    func namesWhatCannotBeKept(text: String) throws {
        let problems = try ConfigurationFolder().problems(
            "name: edge-1\nidentity: edge-1.key\nveil: group.key\naudit: \(text)\n")
        #expect(!problems.isEmpty && problems.allSatisfy { $0.hasPrefix("edge.yaml:4:") })
    }

    @Test func readsAUDPTunnel() throws {
        let configuration = try ConfigurationFolder().read(
            """
            name: edge-1
            identity: edge-1.key
            veil: group.key
            peers: [{name: cloud-1, id: \(idText("b"))}]
            tunnels:
              - name: dns
                protocol: udp
                idle_timeout: 30s
                origins: [{gateway: edge-1, listen: "127.0.0.1:5353"}]
                destinations: [{gateway: cloud-1}]
              - name: web
                protocol: tcp
                origins: [{gateway: edge-1, listen: "127.0.0.1:5353"}]
                destinations: [{gateway: cloud-1}]
            """)
        #expect(configuration.tunnels.map(\.networkProtocol) == [.udp, .tcp])
        #expect(configuration.tunnels.map(\.idleTimeout) == [.seconds(30), nil])
    }

    @Test(arguments: ConfigurationMistake.all)
    func namesEveryMistake(_ mistake: ConfigurationMistake) throws {
        #expect(try ConfigurationFolder().problems(mistake.text) == mistake.problems)
    }

    @Test func namesAFileThatIsNotThere() throws {
        let path = TemporaryDirectory().file("none.yaml")
        let error = try #require(throws: ConfigurationFileError.self) { try GatewayConfigurationFile(path: path) }
        #expect(
            error.description
                == "\(path): the configuration file could not be read (No such file or directory);"
                + " check the path and its permissions")
    }

    @Test func namesAKeyFileThatOthersCanRead() throws {
        let folder = try ConfigurationFolder()
        let key = folder.directory.file("edge-1.key")
        folder.directory.setMode(0o644, of: "edge-1.key")
        folder.directory.write("nonsense", to: "group.key")
        #expect(
            folder.problems(Self.good) == [
                "edge.yaml:2:11: identity \"edge-1.key\" is open to others (mode 0644); run chmod 600 edge-1.key",
                "edge.yaml:3:7: veil \"group.key\" is not a veil file; name the file that dxgateway keygen --veil"
                    + " --out wrote",
            ])
        #expect(TemporaryDirectory.mode(of: key) == 0o644)
    }

    @Test func refusesItsOwnIdAsPeer() throws {
        let folder = try ConfigurationFolder()
        let text = Self.good.split(separator: idText("b")).joined(separator: folder.id.text)
        #expect(
            folder.problems(text) == [
                "edge.yaml:8:9: this is the gateway's own id; write the id that the peer's dxgateway keygen printed"
            ])
    }

    /// Text made by small mistakes in a good file is read or refused, and never traps.
    @Test func survivesMutations() throws {
        let folder = try ConfigurationFolder()
        let original = Array(Self.good.utf8)
        let pieces = [
            "\n", " ", "  ", "- ", ": ", "[", "]", "{", "}", "\"", "'", "#", "&a ", "*a", "!", "|", ">", "?", "\t",
            "~", "0", "\u{e000}", "\u{e001}name", "name: x\n", "<<: ",
        ]
        var random = SeededRandom(seed: 7)
        var refused = 0
        for _ in 0..<3_000 {
            var bytes = original
            for _ in 0...Int.random(in: 0...3, using: &random) {
                let start = Int.random(in: 0..<bytes.count, using: &random)
                let end = min(bytes.count, start + Int.random(in: 0...6, using: &random))
                let piece = pieces[Int.random(in: pieces.indices, using: &random)]
                bytes.replaceSubrange(start..<end, with: Array(piece.utf8))
            }
            if !folder.problems(String(decoding: bytes, as: UTF8.self)).isEmpty { refused += 1 }
        }
        // Some mistakes fall into comments or make another good file; most do not.
        #expect(refused > 2_000)
    }

    @Test func refusesWhatIsNotAConfiguration() throws {
        // Text that is valid YAML of every other kind, or none at all, is refused and never traps.
        let folder = try ConfigurationFolder()
        let texts = [
            "", "~", "a", "[]", "{}", "- a", "1: 2", "? [a]\n: b", "&a [*a]", "*a", "[", "{", "\"", "\t", "a: b: c",
            "--- a\n--- b", String(repeating: "[", count: 100_000), String(repeating: "- ", count: 100_000), "\u{0}",
            "a: &x {b: c}\nd: *x", "!!binary a", "\u{feff}name: a", ": a\n: b", "'': a\n'': b", "? {a: b}\n? {a: b}\n",
            "\"\\x61\": 1\na: 2", "a: 1\r\na: 2\r\n", "a: 1\ra: 2",
        ]
        for text in texts { #expect(!folder.problems(text).isEmpty, "\(text.prefix(40))") }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers in every run.
private struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = (state ^ state &>> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed &>> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed &>> 31
    }
}
