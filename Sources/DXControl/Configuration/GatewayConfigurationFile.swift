import DXSocket
public import DXTunnel
import Yams

/// Reads a gateway's YAML file into a `GatewayConfiguration`, refusing all that is not certainly meant.
///
/// Paths in the file are relative to the file. Every fault is reported at once, with line and column: text that is not
/// YAML, unknown, repeated and missing keys, values of the wrong kind, what `GatewayConfiguration.validate()` finds, and
/// key files that a gateway would refuse.
public struct GatewayConfigurationFile: Sendable {
    /// What the file says; valid.
    public let configuration: GatewayConfiguration
    /// The gateway id of the identity file.
    public let gatewayID: GatewayID

    /// Files longer than this are refused, in bytes: 4,096 tunnels of a few hundred bytes each fit.
    public static let maximumBytes = 4 << 20

    /// Reads the file at `path`.
    public init(path: String) throws(ConfigurationFileError) {
        let text = try Self.text(path)
        try self.init(text: text, path: path)
    }

    /// Reads the settings of a gateway that is in a group: `listen`, `advertise`, `control`, `local_policy`, `limits`,
    /// `serve_match`, `lan`, `port_mapping`, `forward`, `paths`, `multipath`, `audit` and `metrics` alone, as all else is the group's.
    public static func settings(path: String) throws(ConfigurationFileError) -> LocalSettings {
        try readPart(path, none: LocalSettings()) { $0.readSettings($1) }
    }

    /// Reads a file of its own with a gateway's local policy: `targets` and `listeners`, as under `local_policy`.
    public static func localPolicy(path: String) throws(ConfigurationFileError) -> LocalPolicy {
        try readPart(path, none: LocalPolicy()) { $0.readPolicy($1, at: ConfigurationPath()) }
    }

    /// Reads a file that is no whole configuration.
    private static func readPart<Part>(
        _ path: String, none: Part, _ read: (inout GatewayReading, Node) -> Part
    ) throws(ConfigurationFileError) -> Part {
        let text = try text(path)
        let composition: YAMLComposition
        do throws(YAMLComposition.Failure) { composition = try YAMLComposition(text) } catch {
            throw ConfigurationFileError(problems: [
                ConfigurationFileProblem(
                    file: path, position: error.position, message: error.message, remedy: error.remedy)
            ])
        }
        guard let root = composition.root else { return none }
        var reading = GatewayReading(composition: composition, directory: directory(of: path))
        let part = read(&reading, root)
        guard reading.faults.isEmpty else {
            throw ConfigurationFileError(
                problems: reading.faults.map { fault in
                    ConfigurationFileProblem(
                        file: path, position: fault.position, message: fault.message, remedy: fault.remedy)
                })
        }
        return part
    }

    private static func text(_ path: String) throws(ConfigurationFileError) -> String {
        do throws(FileTextError) { return try FileText.read(path, limit: maximumBytes) } catch {
            throw ConfigurationFileError(problems: [
                ConfigurationFileProblem(
                    file: path, position: nil, message: "the configuration file \(error.message)",
                    remedy: "check the path and its permissions")
            ])
        }
    }

    /// Reads `text` as the file at `path`, which is used for messages and as the base of relative paths only.
    public init(text: String, path: String) throws(ConfigurationFileError) {
        func refusal(_ faults: [YAMLReader.Fault]) -> ConfigurationFileError {
            let sorted = faults.enumerated().sorted {
                ($0.element.position, $0.offset) < ($1.element.position, $1.offset)
            }
            return ConfigurationFileError(
                problems: sorted.map { _, fault in
                    ConfigurationFileProblem(
                        file: path, position: fault.position, message: fault.message, remedy: fault.remedy)
                })
        }
        let composition: YAMLComposition
        do throws(YAMLComposition.Failure) { composition = try YAMLComposition(text) } catch {
            throw ConfigurationFileError(problems: [
                ConfigurationFileProblem(
                    file: path, position: error.position, message: error.message, remedy: error.remedy)
            ])
        }
        guard let root = composition.root else {
            throw refusal([
                YAMLReader.Fault(
                    position: .init(line: 1, column: 1), message: "the file is empty",
                    remedy: "begin with name, identity and veil")
            ])
        }
        var reading = GatewayReading(composition: composition, directory: Self.directory(of: path))
        let (configuration, gatewayID) = reading.run(root)
        guard reading.faults.isEmpty, let gatewayID else { throw refusal(reading.faults) }
        self.configuration = configuration
        self.gatewayID = gatewayID
    }

    /// The part of a path before its last slash, with it; empty for a bare name.
    private static func directory(of path: String) -> Substring {
        path.lastIndex(of: "/").map { path[...$0] } ?? ""
    }
}

/// One reading of a gateway's file: the keys, then the meaning, then the key files.
private struct GatewayReading {
    private var reader: YAMLReader
    private var meaningFaults: [YAMLReader.Fault] = []
    private let directory: Substring
    private let root = ConfigurationPath()

    var faults: [YAMLReader.Fault] { reader.faults + meaningFaults }

    init(composition: YAMLComposition, directory: Substring) {
        reader = YAMLReader(composition)
        self.directory = directory
    }

    mutating func run(_ node: Node) -> (GatewayConfiguration, GatewayID?) {
        let configuration = readGateway(node)
        for problem in configuration.validate() where !isFollowUp(problem) {
            report(problem.path, problem.message, problem.remedy)
        }
        requireOwnAddresses(configuration)
        let id = checkKeyFiles(configuration)
        return (configuration, id)
    }

    private mutating func report(_ path: ConfigurationPath, _ message: String, _ remedy: String) {
        meaningFaults.append(
            YAMLReader.Fault(position: reader.position(of: path), message: message, remedy: remedy))
    }

    /// Whether a problem only follows from a value that could not be read and was reported already.
    private func isFollowUp(_ problem: ConfigurationProblem) -> Bool {
        if reader.broken.contains(where: { $0.contains(problem.path) || problem.path.contains($0) }) { return true }
        switch problem.kind {
        case .unknownGateway, .conflict:
            return reader.broken.contains { broken in
                switch broken.steps.first {
                case .key("name"): true
                case .key("peers"): broken.steps.count <= 2 || broken.steps.last == .key("name")
                case .key, .index, nil: false
                }
            }
        case .badName, .duplicate, .missing, .badAddress, .outOfRange: return false
        }
    }

    // MARK: Keys

    private mutating func readGateway(_ node: Node) -> GatewayConfiguration {
        let fields = reader.fields(
            of: node, at: root,
            keys: [
                .required("name", example: "edge-1"), .required("identity", example: "edge-1.key"),
                .required("veil", example: "group.key"), .optional("listen"), .optional("control"), .optional("peers"),
                .optional("tunnels"), .optional("limits"), .optional("health_commands"), .optional("paths"),
                .optional("multipath"), .optional("audit"), .optional("metrics"),
            ])
        let control = reader.text(fields["control"], at: root.key("control"))
        var configuration = GatewayConfiguration(
            name: reader.text(fields["name"], at: root.key("name")),
            identity: .file(path: path(fields["identity"], at: root.key("identity"))),
            veils: readVeils(fields["veil"]),
            listen: fields["listen"] == nil
                ? HostAddress(host: "", port: 0)
                : address(fields["listen"], at: root.key("listen"), isTarget: false),
            controlPath: fields["control"] == nil ? nil : resolve(control),
            peers: reader.list(fields["peers"], at: root.key("peers")) { reader, node, path in
                Self.readPeer(&reader, node, at: path)
            },
            tunnels: reader.list(fields["tunnels"], at: root.key("tunnels")) { reader, node, path in
                Self.readTunnel(&reader, node, at: path)
            },
            limits: readLimits(fields["limits"]),
            paths: reader.pathRules(fields, at: root))
        configuration.healthCommands = readHealthCommands(fields["health_commands"])
        if let audit = fields["audit"] { configuration.audit = readAudit(audit, at: root.key("audit")) }
        configuration.metrics = reader.metrics(fields["metrics"], at: root.key("metrics"), resolve: resolve)
        return configuration
    }

    /// The programs that check targets: `{NAME: [path, argument, …]}`.
    private mutating func readHealthCommands(_ node: Node?) -> [String: GatewayConfiguration.HealthCommand] {
        guard let node else { return [:] }
        let path = root.key("health_commands")
        let names = reader.keys(of: node, at: path)
        let fields = reader.fields(of: node, at: path, keys: names.map { .optional($0) })
        return fields.reduce(into: [:]) { result, field in
            result[field.key] = reader.list(field.value, at: path.key(field.key)) { reader, node, path in
                reader.text(node, at: path)
            }
        }
    }

    /// `false`, or how much.
    private mutating func readAudit(_ node: Node, at path: ConfigurationPath) -> AuditSettings {
        guard case .mapping = node else {
            let keeps = reader.value(
                node, at: path, fallback: true, form: "true, false or {size: 8MiB}",
                parse: { ["true": true, "false": false][$0] })
            return keeps ? AuditSettings() : AuditSettings(byteCount: nil)
        }
        let fields = reader.fields(of: node, at: path, keys: [.required("size", example: "8MiB")])
        guard let size = fields["size"] else { return AuditSettings() }
        return AuditSettings(
            byteCount: reader.value(
                size, at: path.key("size"), fallback: AuditSettings.usualByteCount,
                form: "a size from 64KiB to 1GiB, such as 8MiB",
                parse: { Quantity.bytes($0).flatMap { AuditSettings.byteCounts.contains($0) ? $0 : nil } }))
    }

    /// What a gateway of a group may say itself.
    mutating func readSettings(_ node: Node) -> LocalSettings {
        let fields = reader.fields(
            of: node, at: root,
            keys: [
                .optional("listen"), .optional("advertise"), .optional("control"), .optional("local_policy"),
                .optional("limits"), .optional("serve_match"), .optional("lan"),
                .optional("port_mapping"), .optional("forward"), .optional("health_commands"), .optional("paths"),
                .optional("multipath"), .optional("audit"), .optional("metrics"),
            ])
        var settings = LocalSettings()
        if let listen = fields["listen"] { settings.listen = address(listen, at: root.key("listen"), isTarget: false) }
        settings.advertise = reader.list(fields["advertise"], at: root.key("advertise")) { reader, node, path in
            Self.address(&reader, node, at: path, isTarget: true)
        }
        if let control = fields["control"] { settings.controlPath = path(control, at: root.key("control")) }
        if let policy = fields["local_policy"] {
            settings.policy = readPolicy(policy, at: root.key("local_policy"))
        }
        settings.limits = readLimits(fields["limits"])
        for problem in settings.limits.validate() where !isFollowUp(problem) {
            report(problem.path, problem.message, problem.remedy)
        }
        settings.healthCommands = readHealthCommands(fields["health_commands"])
        checkHealthCommands(settings.healthCommands)
        if let serve = fields["serve_match"] {
            settings.serveMatch = readServeMatch(serve, at: root.key("serve_match"), beside: settings.listen)
        }
        if let forward = fields["forward"] { settings.forward = readForward(forward, at: root.key("forward")) }
        settings.paths = reader.pathRules(fields, at: root)
        if let audit = fields["audit"] { settings.audit = readAudit(audit, at: root.key("audit")) }
        settings.metrics = reader.metrics(fields["metrics"], at: root.key("metrics"), resolve: resolve)
        settings.lan = readSwitch("lan", in: fields) ?? settings.lan
        settings.mapsPorts = readSwitch("port_mapping", in: fields) ?? settings.mapsPorts
        return settings
    }

    /// What a whole configuration's `validate()` finds.
    private mutating func checkHealthCommands(_ commands: [String: GatewayConfiguration.HealthCommand]) {
        for (name, command) in commands.sorted(by: { $0.key < $1.key }) {
            let path = root.key("health_commands").key(name)
            guard !reader.broken.contains(path), let fault = GatewayConfiguration.fault(of: command) else { continue }
            report(path, fault, "write it as [\"/usr/local/bin/check\", \"argument\"]")
        }
    }

    /// `true` or `false`; nil where it is not said.
    private mutating func readSwitch(_ key: String, in fields: [String: Node]) -> Bool? {
        guard let value = fields[key] else { return nil }
        return reader.value(
            value, at: root.key(key), fallback: true, form: "true or false",
            parse: { ["true": true, "false": false][$0] })
    }

    /// `true`, `false`, or how much.
    private mutating func readForward(_ node: Node, at path: ConfigurationPath) -> LocalSettings.Forward? {
        guard case .mapping = node else {
            let forwards = reader.value(
                node, at: path, fallback: false, form: "true, false or {rate: 20M}",
                parse: { ["true": true, "false": false][$0] })
            return forwards ? LocalSettings.Forward() : nil
        }
        let fields = reader.fields(of: node, at: path, keys: [.required("rate", example: "20M")])
        guard let rate = fields["rate"] else { return nil }
        return LocalSettings.Forward(
            bitsPerSecond: reader.value(
                rate, at: path.key("rate"), fallback: LocalSettings.Forward.usualRate,
                form: "a rate from 64K to 8G, bits per second, such as 20M",
                parse: { Quantity.bitsPerSecond($0).flatMap { LocalSettings.Forward.rates.contains($0) ? $0 : nil } }))
    }

    /// `true`, `false`, or where: a socket beside the gateway's own.
    private mutating func readServeMatch(
        _ node: Node, at path: ConfigurationPath, beside own: HostAddress
    ) -> LocalSettings.ServeMatch? {
        guard case .mapping = node else {
            let isServed = reader.value(
                node, at: path, fallback: false,
                form: "true, false or {listen: \":\(MatchmakerAddress.standardPort)\"}",
                parse: { ["true": true, "false": false][$0] })
            return isServed ? serveMatch(LocalSettings.ServeMatch(), at: path, beside: own) : nil
        }
        let example = "\":\(MatchmakerAddress.standardPort)\""
        let fields = reader.fields(of: node, at: path, keys: [.required("listen", example: example)])
        guard let listen = fields["listen"] else { return nil }
        let place = path.key("listen")
        let service = LocalSettings.ServeMatch(listen: address(listen, at: place, isTarget: false))
        guard !reader.broken.contains(place) else { return nil }
        guard service.listen.port != 0 else {
            reader.fail(place, "a matchmaker at port 0 is found by nobody", "give a port, as in \(example)")
            return nil
        }
        return serveMatch(service, at: place, beside: own)
    }

    private mutating func serveMatch(
        _ service: LocalSettings.ServeMatch, at path: ConfigurationPath, beside own: HostAddress
    ) -> LocalSettings.ServeMatch? {
        let listen = service.listen
        let isApart = listen.host != own.host && !listen.isWildcard && !own.isWildcard
        // A random port of the gateway's is never one that is taken.
        guard own.port == 0 || isApart || ![listen.port, service.alternatePort].contains(own.port) else {
            reader.fail(
                path, "port \(own.port) is the gateway's own", "give the matchmaker another port, or the gateway")
            return nil
        }
        return service
    }

    mutating func readPolicy(_ node: Node, at path: ConfigurationPath) -> LocalPolicy {
        let fields = reader.fields(of: node, at: path, keys: [.optional("targets"), .optional("listeners")])
        func rules(_ key: String) -> [LocalPolicy.Rule]? {
            guard let node = fields[key] else { return nil }
            return reader.list(node, at: path.key(key)) { reader, node, path in
                let text = reader.text(node, at: path)
                if let rule = LocalPolicy.Rule(text) { return rule }
                if !reader.broken.contains(path) {
                    reader.fail(
                        path,
                        "\"\(text)\" is not an address, a range of addresses or *, with a port or ports, nor a unix socket",
                        "write it as \"127.0.0.1:22\", \"10.0.0.0/8:8000-8999\", \"*:443\" or \"unix:/run/app.sock\"")
                }
                return nil
            }.compactMap { $0 }
        }
        return LocalPolicy(targets: rules("targets"), listeners: rules("listeners"))
    }

    private mutating func readVeils(_ node: Node?) -> [VeilSource] {
        let path = root.key("veil")
        guard let node else { return [] }
        guard case .sequence = node else { return [.file(path: self.path(node, at: path))] }
        let texts = reader.list(node, at: path) { reader, node, path in reader.text(node, at: path) }
        return texts.map { .file(path: resolve($0)) }
    }

    private mutating func readLimits(_ node: Node?) -> GatewayConfiguration.Limits {
        var limits = GatewayConfiguration.Limits()
        guard let node else { return limits }
        let path = root.key("limits")
        let fields = reader.fields(
            of: node, at: path,
            keys: [
                .optional("memory"), .optional("connections"), .optional("connect_timeout"), .optional("socket_buffer"),
                .optional("threads"), .optional("liveness"), .optional("drain_timeout"), .optional("restart_timeout"),
            ])
        let size = "a size such as 65536, 512KiB or 64MiB"
        limits.memoryBytes = reader.value(
            fields["memory"], at: path.key("memory"), fallback: limits.memoryBytes, form: size, parse: Quantity.bytes)
        limits.connections = reader.integer(
            fields["connections"], at: path.key("connections"), fallback: limits.connections)
        limits.connectTimeout = reader.value(
            fields["connect_timeout"], at: path.key("connect_timeout"), fallback: limits.connectTimeout,
            form: "a time such as 500ms, 10s or 2m", parse: Quantity.duration)
        limits.socketBufferBytes = reader.value(
            fields["socket_buffer"], at: path.key("socket_buffer"), fallback: limits.socketBufferBytes, form: size,
            parse: Quantity.bytes)
        limits.liveness = reader.value(
            fields["liveness"], at: path.key("liveness"), fallback: limits.liveness,
            form: "a time such as 10s or 2m", parse: Quantity.duration)
        limits.drainTimeout = reader.value(
            fields["drain_timeout"], at: path.key("drain_timeout"), fallback: limits.drainTimeout,
            form: "a time such as 10s or 2m", parse: Quantity.duration)
        limits.restartTimeout = reader.value(
            fields["restart_timeout"], at: path.key("restart_timeout"), fallback: limits.restartTimeout,
            form: "a time such as 10m or 2h", parse: Quantity.duration)
        if let threads = fields["threads"] {
            limits.threads = reader.integer(threads, at: path.key("threads"), fallback: 0)
        }
        return limits
    }

    private static func readPeer(
        _ reader: inout YAMLReader, _ node: Node, at path: ConfigurationPath
    ) -> GatewayConfiguration.Peer {
        let fields = reader.fields(
            of: node, at: path,
            keys: [
                .required("name", example: "cloud-1"), .required("id", example: "\"<gateway id>\""),
                .optional("addresses"), .optional("congestion"),
            ])
        let idText = reader.text(fields["id"], at: path.key("id"))
        var id = GatewayID(text: idText)
        if id == nil, fields["id"] != nil, !idText.isEmpty {
            reader.fail(
                path.key("id"), "\"\(idText)\" is not a gateway id",
                "write the \(GatewayID.textCount) letters and digits that the peer's dxgateway keygen printed")
        }
        // A stand-in for a broken id: what follows from it is left out of the report.
        id = id ?? GatewayID([UInt8](repeating: 0, count: GatewayID.byteCount))
        guard let id else { preconditionFailure("32 bytes are a gateway id") }
        return GatewayConfiguration.Peer(
            name: reader.text(fields["name"], at: path.key("name")), id: id,
            addresses: reader.list(fields["addresses"], at: path.key("addresses")) { reader, node, path in
                Self.address(&reader, node, at: path, isTarget: true)
            },
            congestion: reader.value(
                fields["congestion"], at: path.key("congestion"), fallback: .automatic,
                form: choices(of: GatewayConfiguration.CongestionControl.self),
                parse: GatewayConfiguration.CongestionControl.init(rawValue:)))
    }

    private static func choices<Choice: CaseIterable & RawRepresentable>(of _: Choice.Type) -> String
    where Choice.RawValue == String { Choice.allCases.map(\.rawValue).joined(separator: " or ") }

    private static func readTunnel(
        _ reader: inout YAMLReader, _ node: Node, at path: ConfigurationPath
    ) -> GatewayConfiguration.Tunnel {
        let fields = reader.fields(
            of: node, at: path,
            keys: [
                .required("name", example: "web"),
                .required("origins", example: "[{gateway: edge-1, listen: \"127.0.0.1:8080\"}]"),
                .required("destinations", example: "[{gateway: cloud-1, target: \"127.0.0.1:80\"}]"),
                .optional("class"), .optional("share"), .optional("max_connections"), .optional("rate"),
                .optional("allow"), .optional("idle_timeout"), .optional("proxy_protocol"), .optional("compression"),
                .optional("protocol"),
                .optional("health"), .optional("sticky"), .optional("failback"), .optional("hold"),
            ])
        var tunnel = GatewayConfiguration.Tunnel(
            name: reader.text(fields["name"], at: path.key("name")),
            origins: reader.list(fields["origins"], at: path.key("origins")) { reader, node, path in
                readOrigin(&reader, node, at: path)
            },
            destinations: reader.list(fields["destinations"], at: path.key("destinations")) { reader, node, path in
                readDestination(&reader, node, at: path)
            },
            schedulingClass: reader.value(
                fields["class"], at: path.key("class"), fallback: .bulk,
                form: choices(of: GatewayConfiguration.SchedulingClass.self),
                parse: GatewayConfiguration.SchedulingClass.init(rawValue:)),
            share: reader.integer(
                fields["share"], at: path.key("share"), fallback: GatewayConfiguration.Tunnel.defaultShare),
            maximumConnections: reader.integer(
                fields["max_connections"], at: path.key("max_connections"),
                fallback: GatewayConfiguration.Tunnel.defaultMaximumConnections),
            maximumRate: reader.value(
                fields["rate"], at: path.key("rate"), fallback: nil,
                form: "bits per second such as 500K, 20M or 1G",
                parse: { Quantity.bitsPerSecond($0).map(Optional.some) }
            ))
        tunnel.networkProtocol = reader.value(
            fields["protocol"], at: path.key("protocol"), fallback: .tcp,
            form: choices(of: GatewayConfiguration.NetworkProtocol.self),
            parse: GatewayConfiguration.NetworkProtocol.init(rawValue:))
        tunnel.allowed = reader.list(fields["allow"], at: path.key("allow")) { reader, node, path in
            reader.value(
                node, at: path, fallback: nil, form: "an address or a range, such as \"10.0.0.0/8\"",
                parse: { AddressRange($0).map(Optional.some) })
        }.compactMap { $0 }
        tunnel.idleTimeout = reader.value(
            fields["idle_timeout"], at: path.key("idle_timeout"), fallback: nil, form: "a time such as 30s, 10m or 12h",
            parse: { Quantity.duration($0).map(Optional.some) })
        tunnel.proxyProtocol = reader.value(
            fields["proxy_protocol"], at: path.key("proxy_protocol"), fallback: false, form: "true or false",
            parse: { ["true": true, "false": false][$0] })
        tunnel.compression = reader.value(
            fields["compression"], at: path.key("compression"), fallback: nil,
            form: choices(of: GatewayConfiguration.Compression.self),
            parse: { GatewayConfiguration.Compression(rawValue: $0).map(Optional.some) })
        AvailabilityReading.read(&reader, fields, of: &tunnel, at: path)
        return tunnel
    }

    private static func readOrigin(
        _ reader: inout YAMLReader, _ node: Node, at path: ConfigurationPath
    ) -> GatewayConfiguration.Origin {
        let (gateway, listen, fields) = readEnd(
            &reader, node, at: path, addressKey: "listen", isTarget: false, further: ["mode"])
        return GatewayConfiguration.Origin(
            gateway: gateway, address: listen,
            socketMode: reader.value(
                fields["mode"], at: path.key("mode"), fallback: nil,
                form: "the permissions of a file in octal, such as 0660",
                parse: { TunnelAddress.mode($0).map(Optional.some) }))
    }

    private static func readDestination(
        _ reader: inout YAMLReader, _ node: Node, at path: ConfigurationPath
    ) -> GatewayConfiguration.Destination {
        let (gateway, target, fields) = readEnd(
            &reader, node, at: path, addressKey: "target", isTarget: true, further: ["order", "weight"])
        var destination = GatewayConfiguration.Destination(gateway: gateway, address: target)
        AvailabilityReading.read(&reader, fields, of: &destination, at: path)
        return destination
    }

    private static func readEnd(
        _ reader: inout YAMLReader, _ node: Node, at path: ConfigurationPath, addressKey: String, isTarget: Bool,
        further: [String] = []
    ) -> (gateway: String, address: TunnelAddress?, fields: [String: Node]) {
        let fields = reader.fields(
            of: node, at: path,
            keys: [.required("gateway", example: "edge-1"), .optional(addressKey)] + further.map { .optional($0) })
        let gateway = reader.text(fields["gateway"], at: path.key("gateway"))
        guard let node = fields[addressKey] else { return (gateway, nil, fields) }
        let place = path.key(addressKey)
        let text = reader.text(node, at: place)
        do throws(TunnelAddressError) { return (gateway, try TunnelAddress(text), fields) } catch {
            // Text that is no text was reported already.
            if !reader.broken.contains(place) {
                reader.fail(place, "\"\(text)\" \(error)", error.remedy(isTarget: isTarget))
            }
            return (gateway, .tcp(HostAddress(host: "", port: 0)), fields)
        }
    }

    // MARK: Addresses and paths

    private mutating func address(_ node: Node?, at path: ConfigurationPath, isTarget: Bool) -> HostAddress {
        Self.address(&reader, node, at: path, isTarget: isTarget)
    }

    private static func address(
        _ reader: inout YAMLReader, _ node: Node?, at path: ConfigurationPath, isTarget: Bool
    ) -> HostAddress {
        let text = reader.text(node, at: path)
        do throws(HostAddressError) { return try HostAddress(text) } catch {
            // Text that is no text was reported already.
            if !reader.broken.contains(path) {
                reader.fail(path, "\"\(text)\" \(error)", error.remedy(isTarget: isTarget))
            }
            return HostAddress(host: "", port: 0)
        }
    }

    private mutating func path(_ node: Node?, at path: ConfigurationPath) -> String {
        resolve(reader.text(node, at: path))
    }

    private func resolve(_ path: String) -> String {
        path.isEmpty || path.hasPrefix("/") ? path : directory + path
    }

    // MARK: Meaning of a file

    /// A program has no other way in or out of a tunnel than an address, unlike an embedding program.
    private mutating func requireOwnAddresses(_ configuration: GatewayConfiguration) {
        for (index, tunnel) in configuration.tunnels.enumerated() where tunnel.networkProtocol == .tcp {
            let path = root.key("tunnels").index(index)
            for (index, origin) in tunnel.origins.enumerated()
            where origin.gateway == configuration.name && origin.address == nil && !origin.gateway.isEmpty {
                report(
                    path.key("origins").index(index), "missing key \"listen\" at this gateway's own end",
                    "add listen: \"127.0.0.1:8080\", where applications connect")
            }
            for (index, destination) in tunnel.destinations.enumerated()
            where destination.gateway == configuration.name && destination.address == nil
                && !destination.gateway.isEmpty
            {
                report(
                    path.key("destinations").index(index), "missing key \"target\" at this gateway's own end",
                    "add target: \"127.0.0.1:80\", where connections go")
            }
        }
    }

    /// Checks the files that the configuration names; returns the id of the identity.
    private mutating func checkKeyFiles(_ configuration: GatewayConfiguration) -> GatewayID? {
        var id: GatewayID?
        if case .file(let path) = configuration.identity, !path.isEmpty {
            do throws(KeyFileProblem) { id = try KeyFiles.gatewayID(at: path) } catch {
                report(root.key("identity"), "identity \"\(error.path)\" \(error.message)", error.remedy)
            }
        }
        for (index, veil) in configuration.veils.enumerated() {
            guard case .file(let path) = veil, !path.isEmpty else { continue }
            do throws(KeyFileProblem) { try KeyFiles.checkVeil(at: path) } catch {
                report(root.key("veil").index(index), "veil \"\(error.path)\" \(error.message)", error.remedy)
            }
        }
        for (index, peer) in configuration.peers.enumerated() where peer.id == id {
            report(
                root.key("peers").index(index).key("id"), "this is the gateway's own id",
                "write the id that the peer's dxgateway keygen printed")
        }
        return id
    }
}
