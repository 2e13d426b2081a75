import DXTunnel
import Testing

@Suite struct GatewayConfigurationValidateTests {
    private let id = GatewayID([UInt8](repeating: 7, count: 32))!

    /// A configuration without problems, made in memory as an embedding program does.
    private var good: GatewayConfiguration {
        GatewayConfiguration(
            name: "edge-1", identity: .pem("-"), veils: [.secret([UInt8](repeating: 1, count: 32))],
            peers: [.init(name: "cloud-1", id: id)],
            tunnels: [
                .init(name: "web", origins: [.init(gateway: "edge-1")], destinations: [.init(gateway: "cloud-1")])
            ])
    }

    private func problems(_ change: (inout GatewayConfiguration) -> Void) -> [String] {
        var configuration = good
        change(&configuration)
        return configuration.validate().map { "\($0.path) \($0.kind.rawValue)" }
    }

    @Test func acceptsAnEmbeddedGateway() { #expect(good.validate().isEmpty) }

    /// A tunnel of UDP has addresses at this gateway's end, and an idle time within bounds.
    @Test func checksUDPTunnels() {
        #expect(problems { $0.tunnels[0].networkProtocol = .udp } == ["tunnels[0].origins[0] missing"])
        for (seconds, isGood) in [(0, false), (1, true), (604_800, true), (604_801, false)] {
            let found = problems {
                $0.tunnels[0].networkProtocol = .udp
                $0.tunnels[0].origins[0].listen = HostAddress(host: "127.0.0.1", port: 53)
                $0.tunnels[0].idleTimeout = .seconds(seconds)
            }
            #expect(found == (isGood ? [] : ["tunnels[0].idle_timeout out_of_range"]))
        }
        let found = problems {
            $0.tunnels[0] = .init(
                name: "dns", origins: [.init(gateway: "cloud-1")], destinations: [.init(gateway: "edge-1")])
            $0.tunnels[0].networkProtocol = .udp
        }
        #expect(found == ["tunnels[0].destinations[0] missing"])
        // Its target takes no connections: a program may ask it.
        for (kind, isGood) in [(.tcp, false), (.http(path: "/", expect: nil), false), (.command(name: "disk"), true)]
            as [(GatewayConfiguration.HealthCheck.Kind, Bool)]
        {
            let found = problems {
                $0.healthCommands["disk"] = ["/bin/true"]
                $0.tunnels[0].networkProtocol = .udp
                $0.tunnels[0].origins[0].listen = HostAddress(host: "127.0.0.1", port: 53)
                $0.tunnels[0].healthCheck = .init(kind)
            }
            #expect(found == (isGood ? [] : ["tunnels[0].health conflict"]))
        }
    }

    @Test func checksWhatAFileCannotSay() {
        #expect(problems { $0.veils = [.secret([1, 2])] } == ["veil out_of_range"])
        #expect(problems { $0.veils = [] } == ["veil missing"])
        #expect(problems { $0.listen.host = "no host" } == ["listen bad_address"])
        #expect(problems { $0.name = "" }.first == "name bad_name")
        #expect(problems { $0.controlPath = "" } == ["control missing"])
        #expect(problems { $0.identity = .file(path: "") } == ["identity missing"])
        #expect(problems { $0.limits.connectTimeout = .zero } == ["limits.connect_timeout out_of_range"])
    }

    @Test(
        arguments: [
            (nil, true), (0, false), (7_999, false), (8_000, true), (100_000_000_000, true), (100_000_000_001, false),
            (.max, false),
        ] as [(UInt64?, Bool)])
    func checksRates(rate: UInt64?, isGood: Bool) {
        #expect(problems { $0.tunnels[0].maximumRate = rate } == (isGood ? [] : ["tunnels[0].rate out_of_range"]))
    }

    @Test(
        arguments: [
            (nil, true), (.seconds(1), true), (.seconds(604_800), true), (.milliseconds(999), false), (.zero, false),
            (.seconds(604_801), false), (.seconds(-5), false),
        ] as [(Duration?, Bool)])
    func checksIdleTimeouts(timeout: Duration?, isGood: Bool) {
        #expect(
            problems { $0.tunnels[0].idleTimeout = timeout } == (isGood ? [] : ["tunnels[0].idle_timeout out_of_range"])
        )
    }

    /// What text could not say.
    @Test func checksAddressesMadeFromParts() {
        let host = HostAddress(host: "127.0.0.1", port: 65_000)
        let wrong: [TunnelAddress] = [
            .tcp(host, portCount: 0), .tcp(host, portCount: -1), .tcp(host, portCount: 537),
            .tcp(host, portCount: .max),
            .unix(path: "run"), .unix(path: ""), .unix(path: "/a/../b"),
        ]
        for address in wrong {
            #expect(
                problems { $0.tunnels[0].origins[0].address = address }
                    == ["tunnels[0].origins[0].listen bad_address"], "\(address)")
            #expect(
                problems { $0.tunnels[0].destinations[0].address = address }.first
                    == "tunnels[0].destinations[0].target bad_address", "\(address)")
        }
        #expect(problems { $0.tunnels[0].origins[0].address = .tcp(host, portCount: 536) }.isEmpty)
        let zero = TunnelAddress.tcp(HostAddress(host: "", port: 0), portCount: 2)
        #expect(
            problems { $0.tunnels[0].origins[0].address = zero } == ["tunnels[0].origins[0].listen bad_address"])
    }

    @Test func checksWhoMayConnectToASocket() {
        func problems(_ address: TunnelAddress?, _ mode: UInt16?) -> [String] {
            self.problems {
                $0.tunnels[0].origins[0].address = address
                $0.tunnels[0].origins[0].socketMode = mode
            }
        }
        #expect(problems(.unix(path: "/run/app"), 0o660).isEmpty)
        #expect(problems(.unix(path: "/run/app"), 0o1000) == ["tunnels[0].origins[0].mode out_of_range"])
        #expect(
            problems(.tcp(HostAddress(host: "", port: 1)), 0o600) == ["tunnels[0].origins[0].mode conflict"])
    }

    @Test(arguments: [
        ("127.0.0.1:1-3", "10.0.0.5:1-3", true), ("127.0.0.1:1-3", "10.0.0.5:1", true),
        ("127.0.0.1:1-3", "unix:/run/app", true), ("127.0.0.1:1-3", "10.0.0.5:1-2", false),
        ("127.0.0.1:1", "10.0.0.5:1-2", false), ("unix:/run/app", "10.0.0.5:1-2", false),
    ])
    func checksThatRangesFit(listen: String, target: String, isGood: Bool) throws {
        let (listen, target) = (try TunnelAddress(listen), try TunnelAddress(target))
        let found = problems {
            $0.tunnels[0].origins[0].address = listen
            $0.tunnels[0].destinations[0].address = target
        }
        #expect(found == (isGood ? [] : ["tunnels[0].destinations[0].target conflict"]))
    }

    @Test func limitsEveryList() {
        let address = (0...64).map { HostAddress(host: "h\($0)", port: 1) }
        #expect(problems { $0.peers[0].addresses = address } == ["peers[0].addresses out_of_range"])
        #expect(problems { $0.peers[0].addresses = Array(address.dropLast()) }.isEmpty)
        #expect(
            problems { configuration in
                configuration.peers = (0...1_024).map { index in
                    let bytes = [UInt8](repeating: 0, count: 30) + [UInt8(index >> 8), UInt8(index & 255)]
                    return .init(name: index == 0 ? "cloud-1" : "p\(index)", id: GatewayID(bytes)!)
                }
            } == ["peers out_of_range"])
        #expect(
            problems { configuration in
                let tunnel = configuration.tunnels[0]
                configuration.tunnels = (0...4_096).map { index in
                    var copy = tunnel
                    copy.name = "t\(index)"
                    return copy
                }
            } == ["tunnels out_of_range"])
    }

    /// The kernel refuses the second of two listeners with one port when they share an address.
    @Test(arguments: [
        (":80", ":80", true), (":80", "127.0.0.1:80", true), ("0.0.0.0:80", "127.0.0.1:80", true),
        ("[::]:80", "[::1]:80", true), ("localhost:80", "localhost:80", true), ("127.0.0.1:80", "127.0.0.1:81", false),
        ("127.0.0.1:80", "127.0.0.2:80", false), ("127.0.0.1:80", "[::1]:80", false), (":0", ":0", false),
        ("0.0.0.0:80", "[::]:80", false), (":80-89", ":89", true), (":80-89", "127.0.0.1:85-95", true),
        (":80-89", ":90-99", false), (":90-99", ":80-89", false), ("127.0.0.1:1-9", "127.0.0.2:1-9", false),
        ("unix:/run/a", "unix:/run/a", true), ("unix:/run/a", "unix:/run/b", false), ("unix:/run/a", ":80", false),
    ])
    func findsListenersThatCollide(first: String, second: String, collide: Bool) throws {
        let addresses = try [TunnelAddress(first), TunnelAddress(second)]
        let found = problems { configuration in
            configuration.tunnels = addresses.enumerated().map { index, address in
                .init(
                    name: "t\(index)", origins: [.init(gateway: "edge-1", address: address)],
                    destinations: [.init(gateway: "cloud-1")])
            }
        }
        #expect(found == (collide ? ["tunnels[1].origins[0].listen duplicate"] : []))
    }

    @Test func neverShowsASecret() {
        let text = "\(GatewayConfiguration(name: "a", identity: .pem("SECRET"), veils: [.secret([115, 101])]))"
        #expect(!text.contains("SECRET") && !text.contains("115"))
    }
}
