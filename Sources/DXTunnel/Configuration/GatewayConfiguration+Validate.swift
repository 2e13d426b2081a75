import DXWire

extension GatewayConfiguration {
    /// Everything that is wrong with the configuration, in its own order; empty when the gateway can start.
    ///
    /// Looks at the value alone: no file is opened and no name resolved.
    public func validate() -> [ConfigurationProblem] {
        var validation = Validation(configuration: self)
        validation.run()
        return validation.problems
    }

    /// The most peers that a configuration may list. Every peer costs a channel's state and keepalives.
    public static let maximumPeers = 1_024
    /// The most tunnels that a configuration may list.
    public static let maximumTunnels = 4_096
    /// The most origins, destinations or addresses in one list.
    public static let maximumAlternatives = 64
    /// The longest path of a unix socket, in bytes: what SwiftNIO takes, which is four less than unix(7) has.
    public static let maximumSocketPath = 103
}

extension GatewayConfiguration.Limits {
    /// What is out of range, with paths under `limits`; empty when all may be used.
    public func validate() -> [ConfigurationProblem] {
        var validation = Validation(
            configuration: GatewayConfiguration(name: "", identity: .file(path: ""), veils: [], limits: self))
        validation.checkLimits()
        return validation.problems
    }
}

/// One pass over a configuration.
private struct Validation {
    let configuration: GatewayConfiguration
    private(set) var problems: [ConfigurationProblem] = []
    private let root = ConfigurationPath()

    init(configuration: GatewayConfiguration) { self.configuration = configuration }

    mutating func run() {
        checkName(configuration.name, at: root.key("name"))
        checkIdentity()
        checkVeils()
        checkAddress(configuration.listen, at: root.key("listen"), isTarget: false)
        checkControlPath()
        checkPeers()
        checkTunnels()
        checkHealthCommands()
        checkLimits()
        checkPaths()
    }

    private mutating func add(
        _ kind: ConfigurationProblem.Kind, _ path: ConfigurationPath, _ message: String, _ remedy: String
    ) {
        problems.append(ConfigurationProblem(path: path, kind: kind, message: message, remedy: remedy))
    }

    // MARK: Single values

    private mutating func checkName(_ name: String, at path: ConfigurationPath) {
        guard !NameRule.isValid(name) else { return }
        add(
            .badName, path, name.isEmpty ? "the name is empty" : "bad name \"\(name)\"",
            "use 1 to 63 letters, digits, '.', '-' and '_', beginning with a letter or digit")
    }

    private mutating func checkIdentity() {
        if case .file(path: "") = configuration.identity {
            add(.missing, root.key("identity"), "the path is empty", "name the file that dxgateway keygen wrote")
        }
    }

    private mutating func checkVeils() {
        let path = root.key("veil")
        switch configuration.veils.count {
        case 0:
            add(.missing, path, "no veil", "name the file that dxgateway keygen --veil wrote")
        case 1, 2:
            for veil in configuration.veils {
                switch veil {
                case .file(path: ""):
                    add(.missing, path, "the path is empty", "name the file that dxgateway keygen --veil wrote")
                case .secret(let bytes) where bytes.count != 32:
                    add(.outOfRange, path, "a veil secret of \(bytes.count) bytes", "give 32 bytes")
                case .file, .secret: break
                }
            }
            if configuration.veils.count == 2, configuration.veils[0] == configuration.veils[1] {
                add(.duplicate, path, "the same veil twice", "remove one, or name the new one first and the old second")
            }
        default:
            add(
                .outOfRange, path, "\(configuration.veils.count) veils", "keep at most two: the new one and the old one"
            )
        }
    }

    private mutating func checkControlPath() {
        guard let control = configuration.controlPath else { return }
        let path = root.key("control")
        if control.isEmpty {
            add(.missing, path, "the path is empty", "name a path for the socket, or remove the key")
        } else if control.utf8.count > GatewayConfiguration.maximumSocketPath {
            add(
                .outOfRange, path, "a socket path of \(control.utf8.count) bytes",
                "use a path of at most \(GatewayConfiguration.maximumSocketPath) bytes")
        }
    }

    /// `isTarget`: somebody connects there, so it needs a host and a port.
    private mutating func checkAddress(_ address: HostAddress, at path: ConfigurationPath, isTarget: Bool) {
        do throws(HostAddressError) { try address.check() } catch {
            add(.badAddress, path, "\"\(address)\" \(error)", error.remedy(isTarget: isTarget))
            return
        }
        guard isTarget else { return }
        if address.port == 0 {
            add(.badAddress, path, "\"\(address)\" has port 0", "name the port to connect to")
        }
        if address.host.isEmpty || address.endpoint?.isUnspecified == true {
            add(.badAddress, path, "\"\(address)\" names no host", "name the host to connect to")
        }
    }

    // MARK: Peers

    private mutating func checkPeers() {
        let path = root.key("peers")
        if configuration.peers.count > GatewayConfiguration.maximumPeers {
            add(.outOfRange, path, "\(configuration.peers.count) peers", "at most \(GatewayConfiguration.maximumPeers)")
        }
        var names: Set<String> = []
        var ids: [GatewayID: String] = [:]
        for (index, peer) in configuration.peers.enumerated() {
            let path = path.index(index)
            checkName(peer.name, at: path.key("name"))
            if peer.name == configuration.name {
                add(
                    .duplicate, path.key("name"), "\"\(peer.name)\" is this gateway's own name",
                    "list only other gateways, each with its own name")
            } else if !names.insert(peer.name).inserted {
                add(.duplicate, path.key("name"), "two peers named \"\(peer.name)\"", "rename one of them")
            }
            if let other = ids[peer.id] {
                add(
                    .duplicate, path.key("id"), "the same id as peer \"\(other)\"",
                    "give each peer the id that its own dxgateway keygen printed")
            } else {
                ids[peer.id] = peer.name
            }
            checkAddresses(of: peer, at: path.key("addresses"))
        }
    }

    private mutating func checkAddresses(of peer: GatewayConfiguration.Peer, at path: ConfigurationPath) {
        checkCount(peer.addresses.count, "addresses", at: path)
        var seen: Set<HostAddress> = []
        for (index, address) in peer.addresses.enumerated() {
            checkAddress(address, at: path.index(index), isTarget: true)
            if !seen.insert(address).inserted {
                add(.duplicate, path.index(index), "the address \"\(address)\" twice", "remove one")
            }
        }
    }

    private mutating func checkCount(_ count: Int, _ what: String, at path: ConfigurationPath) {
        if count > GatewayConfiguration.maximumAlternatives {
            add(.outOfRange, path, "\(count) \(what)", "at most \(GatewayConfiguration.maximumAlternatives)")
        }
    }

    // MARK: Tunnels

    private mutating func checkTunnels() {
        let path = root.key("tunnels")
        if configuration.tunnels.count > GatewayConfiguration.maximumTunnels {
            add(
                .outOfRange, path, "\(configuration.tunnels.count) tunnels",
                "at most \(GatewayConfiguration.maximumTunnels)")
        }
        let gateways = Set(configuration.peers.map(\.name)).union([configuration.name])
        var names: Set<String> = []
        var listeners: [String: [(address: TunnelAddress, tunnel: String)]] = [:]
        for (index, tunnel) in configuration.tunnels.enumerated() {
            let path = path.index(index)
            checkName(tunnel.name, at: path.key("name"))
            if !names.insert(tunnel.name).inserted {
                add(.duplicate, path.key("name"), "two tunnels named \"\(tunnel.name)\"", "rename one of them")
            }
            checkEnds(of: tunnel, at: path, gateways: gateways)
            checkListeners(of: tunnel, at: path.key("origins"), listeners: &listeners)
            checkTargets(of: tunnel, at: path.key("destinations"))
            checkOptions(of: tunnel, at: path)
            checkRange(tunnel.share, 1...256, "share", at: path)
            checkRange(tunnel.maximumConnections, 1...65_536, "max_connections", at: path)
            checkRate(tunnel.maximumRate, at: path.key("rate"))
            checkAddressesOfUDP(tunnel, at: path)
            checkAvailability(of: tunnel, at: path)
        }
    }

    /// A program has no part in flows.
    private mutating func checkAddressesOfUDP(_ tunnel: GatewayConfiguration.Tunnel, at path: ConfigurationPath) {
        guard tunnel.networkProtocol == .udp else { return }
        for (index, origin) in tunnel.origins.enumerated() {
            let path = path.key("origins").index(index)
            if origin.gateway == configuration.name && origin.address == nil {
                add(
                    .missing, path, "a UDP tunnel without an address to listen at", "add the address, as 127.0.0.1:53")
            }
            checkIsPort(origin.address, at: path.key("listen"))
        }
        for (index, destination) in tunnel.destinations.enumerated() {
            let path = path.key("destinations").index(index)
            if destination.gateway == configuration.name && destination.address == nil {
                add(
                    .missing, path, "a UDP tunnel without a target", "add the address of the target, as 127.0.0.1:53")
            }
            checkIsPort(destination.address, at: path.key("target"))
        }
        if tunnel.proxyProtocol {
            add(
                .conflict, path.key("proxy_protocol"), "a UDP tunnel has no PROXY protocol",
                "remove the key: it is for TCP and unix sockets")
        }
        if tunnel.compression != nil {
            add(
                .conflict, path.key("compression"), "a UDP tunnel is not compressed",
                "remove the key: it is for TCP and unix sockets")
        }
        switch tunnel.healthCheck?.kind {
        case .tcp, .http:
            add(
                .conflict, path.key("health"), "the target of a UDP tunnel takes no connections",
                "remove the key, or name a program that asks it: {check: command, command: NAME}")
        case .command, nil: break
        }
    }

    private mutating func checkIsPort(_ address: TunnelAddress?, at path: ConfigurationPath) {
        guard let address, !address.isOnePort else { return }
        add(.badAddress, path, "\"\(address)\" is no UDP port", "write one address and port, as 127.0.0.1:53")
    }

    /// Below 8 kbit/s a datagram takes more than a second; above 100 Gbit/s no machine sends.
    private mutating func checkRate(_ rate: UInt64?, at path: ConfigurationPath) {
        guard let rate, !(8_000...100_000_000_000).contains(rate) else { return }
        add(
            .outOfRange, path, "\(rate) bits per second is outside 8K to 100G",
            "write a rate in that range, such as 20M, or remove the key for no limit")
    }

    private mutating func checkAvailability(of tunnel: GatewayConfiguration.Tunnel, at path: ConfigurationPath) {
        if let fault = tunnel.healthCheck?.fault {
            add(.outOfRange, path.key("health"), "the check has \(fault)", "see docs/ha.md for what it may have")
        }
        if case .command(let name) = tunnel.healthCheck?.kind, configuration.healthCommands[name] == nil,
            tunnel.destinations.contains(where: { $0.gateway == configuration.name })
        {
            add(
                .missing, path.key("health"), "there is no health command \"\(name)\"",
                "add health_commands: {\(name): [\"/path/to/program\"]}")
        }
        if case .after(let time) = tunnel.failback, time < .zero || time > .seconds(3_600) {
            add(
                .outOfRange, path.key("failback"), "\(time) is outside 0 to 1 hour",
                "write a time such as 30s, or manual")
        }
        if let hold = tunnel.hold, hold < .seconds(1) || hold > .seconds(86_400) {
            add(.outOfRange, path.key("hold"), "\(hold) is outside 1 second to 24 hours", "write a time such as 1h")
        }
        for (index, destination) in tunnel.destinations.enumerated()
        where max(destination.order ?? 0, destination.weight) > 65_535 {
            add(
                .outOfRange, path.key("destinations").index(index), "an order or a weight above 65535",
                "write a smaller number")
        }
    }

    private mutating func checkEnds(
        of tunnel: GatewayConfiguration.Tunnel, at path: ConfigurationPath, gateways: Set<String>
    ) {
        let origins = tunnel.origins.map(\.gateway)
        let destinations = tunnel.destinations.map(\.gateway)
        for (role, ends) in [("origins", origins), ("destinations", destinations)] {
            let path = path.key(role)
            if ends.isEmpty {
                add(.missing, path, "tunnel \"\(tunnel.name)\" has no \(role)", "list at least one gateway")
            }
            checkCount(ends.count, role, at: path)
            var seen: Set<String> = []
            for (index, gateway) in ends.enumerated() {
                let path = path.index(index).key("gateway")
                if !gateways.contains(gateway) {
                    add(
                        .unknownGateway, path, "unknown gateway \"\(gateway)\"",
                        "use this gateway's name or a peer's: \(Self.list(gateways))")
                }
                if !seen.insert(gateway).inserted {
                    add(.duplicate, path, "gateway \"\(gateway)\" twice among the \(role)", "remove one")
                }
                if role == "destinations", origins.contains(gateway) {
                    add(
                        .conflict, path,
                        "gateway \"\(gateway)\" is origin and destination of tunnel \"\(tunnel.name)\"",
                        "connect to the target directly, or name another gateway")
                }
            }
        }
        if !origins.isEmpty, !destinations.isEmpty, !(origins + destinations).contains(configuration.name) {
            add(
                .conflict, path, "tunnel \"\(tunnel.name)\" has no end at this gateway, \"\(configuration.name)\"",
                "remove it here, or list this gateway as origin or destination")
        }
    }

    /// At most eight names in order, so that the message stays readable.
    private static func list(_ names: Set<String>) -> String {
        let sorted = names.filter { !$0.isEmpty }.sorted()
        return sorted.prefix(8).joined(separator: ", ") + (sorted.count > 8 ? ", ..." : "")
    }

    private mutating func checkTargets(of tunnel: GatewayConfiguration.Tunnel, at path: ConfigurationPath) {
        for (index, destination) in tunnel.destinations.enumerated() {
            guard let target = destination.address else { continue }
            let path = path.index(index).key("target")
            checkAddress(target, at: path, isTarget: true)
            guard target.portCount > 1 else { continue }
            for origin in tunnel.origins where origin.address.map({ $0.portCount != target.portCount }) ?? false {
                add(
                    .conflict, path,
                    "\(target.portCount) ports, and gateway \"\(origin.gateway)\" listens at"
                        + " \(origin.address?.portCount ?? 0)",
                    "give both ranges the same length, or the target one port")
            }
        }
    }

    private mutating func checkOptions(of tunnel: GatewayConfiguration.Tunnel, at path: ConfigurationPath) {
        if tunnel.allowed.count > TunnelRecord.mostEnds {
            add(
                .outOfRange, path.key("allow"), "\(tunnel.allowed.count) address ranges",
                "at most \(TunnelRecord.mostEnds)")
        }
        if let timeout = tunnel.idleTimeout, !GatewayConfiguration.Tunnel.idleTimeouts.contains(timeout) {
            add(
                .outOfRange, path.key("idle_timeout"), "\(timeout) is outside 1 second to 168 hours",
                "write a time in that range, as 10m, or remove the key")
        }
    }

    private mutating func checkAddress(_ address: TunnelAddress, at path: ConfigurationPath, isTarget: Bool) {
        do throws(TunnelAddressError) { try address.check() } catch {
            return add(.badAddress, path, "\"\(address)\" \(error)", error.remedy(isTarget: isTarget))
        }
        if let host = address.host { checkAddress(host, at: path, isTarget: isTarget) }
    }

    private mutating func checkSocketMode(of origin: GatewayConfiguration.Origin, at path: ConfigurationPath) {
        guard let mode = origin.socketMode else { return }
        if case .unix = origin.address {
        } else {
            add(.conflict, path, "a mode without a unix socket", "remove it, or listen at one, as unix:/run/app.sock")
        }
        if mode > 0o777 {
            add(.outOfRange, path, "\(mode) is no file mode", "write three octal digits, as 0660")
        }
    }

    private mutating func checkListeners(
        of tunnel: GatewayConfiguration.Tunnel, at path: ConfigurationPath,
        listeners: inout [String: [(address: TunnelAddress, tunnel: String)]]
    ) {
        for (index, origin) in tunnel.origins.enumerated() {
            checkSocketMode(of: origin, at: path.index(index).key("mode"))
            guard let listen = origin.address else { continue }
            let path = path.index(index).key("listen")
            checkAddress(listen, at: path, isTarget: false)
            // TCP and UDP have ports of their own.
            let taken = origin.gateway + "/" + tunnel.networkProtocol.rawValue
            if let other = listeners[taken]?.first(where: { Self.collide($0.address, listen) }) {
                let whom = other.tunnel == tunnel.name ? "given twice" : "already taken by tunnel \"\(other.tunnel)\""
                add(
                    .duplicate, path, "\"\(listen)\" of gateway \"\(origin.gateway)\" is \(whom)",
                    listen.host == nil ? "use another path" : "use another port")
            }
            listeners[taken, default: []].append((listen, tunnel.name))
        }
    }

    /// Whether the kernel would refuse the second of two listeners: one path; or one port, and one address or a wildcard.
    private static func collide(_ left: TunnelAddress, _ right: TunnelAddress) -> Bool {
        switch (left, right) {
        case (.unix(let left), .unix(let right)): left == right
        case (.unix, .tcp), (.tcp, .unix): false
        case (.tcp(let left, let leftCount), .tcp(let right, let rightCount)):
            // What has a wrong count is refused for that, whatever comes out here.
            left.port != 0 && right.port != 0 && Int(left.port) < Int(right.port) &+ rightCount
                && Int(right.port) < Int(left.port) &+ leftCount && haveOneHost(left, right)
        }
    }

    private static func haveOneHost(_ left: HostAddress, _ right: HostAddress) -> Bool {
        if left.host == right.host || left.host.isEmpty || right.host.isEmpty { return true }
        guard let a = left.endpoint, let b = right.endpoint else { return false }
        return a.hasSameAddress(as: b) || a.family == b.family && (a.isUnspecified || b.isUnspecified)
    }

    /// Programs are named by their whole path: nothing is looked for.
    private mutating func checkHealthCommands() {
        let path = root.key("health_commands")
        for (name, command) in configuration.healthCommands.sorted(by: { $0.key < $1.key }) {
            checkName(name, at: path.key(name))
            if let fault = GatewayConfiguration.fault(of: command) {
                add(.badAddress, path.key(name), fault, "write it as [\"/usr/local/bin/check\", \"argument\"]")
            }
        }
        if configuration.healthCommands.count > 256 {
            add(.outOfRange, path, "\(configuration.healthCommands.count) commands", "at most 256")
        }
    }

    // MARK: Paths

    private mutating func checkPaths() {
        let path = root.key("paths")
        let rules = configuration.paths.interfaces
        if rules.count > PathRules.mostRules {
            add(.outOfRange, path, "\(rules.count) rules for interfaces", "at most \(PathRules.mostRules)")
        }
        var patterns: Set<String> = []
        for rule in rules {
            if !PathRules.isPattern(rule.pattern) {
                add(
                    .badName, path.key(rule.pattern), "\"\(rule.pattern)\" is no interface's name",
                    "write it as ip link shows it, at most \(PathRules.longestPattern) characters; * stands for any")
            } else if !patterns.insert(rule.pattern).inserted {
                add(.duplicate, path.key(rule.pattern), "two rules for \"\(rule.pattern)\"", "keep one")
            }
        }
    }

    // MARK: Limits

    private mutating func checkRange(_ value: Int, _ range: ClosedRange<Int>, _ key: String, at path: ConfigurationPath)
    {
        if !range.contains(value) {
            add(
                .outOfRange, path.key(key), "\(value) is outside \(range.lowerBound) to \(range.upperBound)",
                "write a number in that range")
        }
    }

    mutating func checkLimits() {
        let path = root.key("limits")
        let limits = configuration.limits
        // Below 4 MiB two connections at full speed cannot both have a window.
        checkRange(limits.memoryBytes, (4 << 20)...(64 << 30), "memory", at: path)
        checkRange(limits.connections, 1...65_536, "connections", at: path)
        checkRange(limits.socketBufferBytes, (64 << 10)...(256 << 20), "socket_buffer", at: path)
        if let threads = limits.threads { checkRange(threads, 1...LoopPlan.maximumLoops, "threads", at: path) }
        if limits.liveness < .seconds(5) || limits.liveness > .seconds(3_600) {
            add(
                .outOfRange, path.key("liveness"), "\(limits.liveness) is outside 5 seconds to 1 hour",
                "write a time in that range, as 60s")
        }
        if limits.drainTimeout < .zero || limits.drainTimeout > .seconds(3_600) {
            add(
                .outOfRange, path.key("drain_timeout"), "\(limits.drainTimeout) is outside 0 to 1 hour",
                "write a time in that range, as 30s")
        }
        if limits.restartTimeout < .zero || limits.restartTimeout > .seconds(86_400) {
            add(
                .outOfRange, path.key("restart_timeout"), "\(limits.restartTimeout) is outside 0 to 24 hours",
                "write a time in that range, as 30s")
        }
        if limits.connectTimeout < .seconds(1) || limits.connectTimeout > .seconds(300) {
            add(
                .outOfRange, path.key("connect_timeout"), "\(limits.connectTimeout) is outside 1 to 300 seconds",
                "write a time in that range, as 10s")
        }
    }
}
