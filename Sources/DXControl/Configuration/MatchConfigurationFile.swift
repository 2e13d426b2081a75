public import DXSocket
import DXTunnel
import Yams

/// What a matchmaker's YAML file says (`docs/dxmatchd.md` §3). Everything may be left out; arguments of the program come first.
public struct MatchSettings: Equatable, Sendable {
    /// Where it listens.
    public var listen: [ListenAddress] = []
    /// The other address and port, or the other port.
    public var alternate: [ListenAddress] = []
    /// The directory of its key and secrets.
    public var state: String?
    /// The file of match keys.
    public var groups: String?
    /// Whether everybody's groups are served.
    public var isOpen = false
    /// Whether STUN is answered.
    public var answersSTUN = true
    /// Where registrations are shared.
    public var registry: String?
    /// Where figures are served.
    public var metrics: ListenAddress?
    /// How long members are told to leave before it ends, in seconds, 0 to 3,600.
    public var drainSeconds: Int?

    /// What an empty file says.
    public init() {}
}

/// Reads a matchmaker's YAML file. Paths in it are relative to it.
public enum MatchConfigurationFile {
    /// Files longer than this are refused, in bytes.
    private static let maximumBytes = 65_536

    /// Reads the file at `path`.
    public static func read(_ path: String) throws(ConfigurationFileError) -> MatchSettings {
        let text: String
        do { text = try FileText.read(path, limit: maximumBytes) } catch {
            throw ConfigurationFileError(problems: [
                ConfigurationFileProblem(
                    file: path, position: nil, message: "the configuration file \(error.message)",
                    remedy: "check the path and its permissions")
            ])
        }
        let composition: YAMLComposition
        do throws(YAMLComposition.Failure) { composition = try YAMLComposition(text) } catch {
            throw ConfigurationFileError(problems: [
                ConfigurationFileProblem(
                    file: path, position: error.position, message: error.message, remedy: error.remedy)
            ])
        }
        guard let root = composition.root else { return MatchSettings() }
        var reader = YAMLReader(composition)
        let settings = read(root, &reader, directory: path.lastIndex(of: "/").map { path[...$0] } ?? "")
        guard reader.faults.isEmpty else {
            throw ConfigurationFileError(
                problems: reader.faults.map { fault in
                    ConfigurationFileProblem(
                        file: path, position: fault.position, message: fault.message, remedy: fault.remedy)
                })
        }
        return settings
    }

    private static func read(_ root: Node, _ reader: inout YAMLReader, directory: Substring) -> MatchSettings {
        let names = ["listen", "alternate", "state", "groups", "open", "stun", "registry", "metrics", "drain_seconds"]
        let top = ConfigurationPath()
        let fields = reader.fields(of: root, at: top, keys: names.map { .optional($0) })
        var settings = MatchSettings()
        settings.listen = addresses(fields["listen"], at: top.key("listen"), &reader)
        settings.alternate = addresses(fields["alternate"], at: top.key("alternate"), &reader)
        func file(_ name: String) -> String? {
            guard fields[name] != nil else { return nil }
            let text = reader.text(fields[name], at: top.key(name))
            return text.isEmpty || text.hasPrefix("/") ? text : directory + text
        }
        settings.state = file("state")
        settings.groups = file("groups")
        settings.isOpen = bool(fields["open"], at: top.key("open"), fallback: false, &reader)
        if settings.isOpen, settings.groups != nil {
            reader.fail(top.key("open"), "both groups and open", "keep one")
        }
        settings.answersSTUN = bool(fields["stun"], at: top.key("stun"), fallback: true, &reader)
        if fields["registry"] != nil { settings.registry = reader.text(fields["registry"], at: top.key("registry")) }
        if let node = fields["metrics"] { settings.metrics = address(node, at: top.key("metrics"), &reader) }
        if let node = fields["drain_seconds"] {
            let path = top.key("drain_seconds")
            let seconds = reader.integer(node, at: path, fallback: 0)
            if !(0...3_600).contains(seconds) { reader.fail(path, "\(seconds) s", "write 0 to 3600") }
            settings.drainSeconds = seconds
        }
        return settings
    }

    /// One address, or a list of them.
    private static func addresses(
        _ node: Node?, at path: ConfigurationPath, _ reader: inout YAMLReader
    ) -> [ListenAddress] {
        guard let node else { return [] }
        if case .scalar = node { return [address(node, at: path, &reader)] }
        return reader.list(node, at: path) { reader, node, path in address(node, at: path, &reader) }
    }

    private static func address(
        _ node: Node, at path: ConfigurationPath, _ reader: inout YAMLReader
    ) -> ListenAddress {
        reader.value(
            node, at: path, fallback: ListenAddress(anyAt: 0), form: "ADDRESS:PORT, [IPV6]:PORT or :PORT"
        ) { try? ListenAddress(text: $0) }
    }

    private static func bool(
        _ node: Node?, at path: ConfigurationPath, fallback: Bool, _ reader: inout YAMLReader
    ) -> Bool {
        reader.value(node, at: path, fallback: fallback, form: "true or false") { Bool($0) }
    }
}
