import CDXSystem
import Glibc

/// Finds the control socket of the gateway that a client verb means.
public struct ControlLocator: Sendable {
    /// `--control PATH`: this socket and no other.
    public var control: String?
    /// `--state DIR`: `DIR/control.sock` and no other.
    public var state: String?
    /// The environment: `DX_CONTROL` and `XDG_RUNTIME_DIR` are read.
    public var environment: [String: String]
    /// Where a gateway of the system keeps its socket.
    public var systemDirectory: String

    /// The name that a gateway's socket has unless its file says otherwise.
    public static let defaultName = "gateway.sock"

    /// A search with these options.
    public init(
        control: String? = nil, state: String? = nil, environment: [String: String], systemDirectory: String = "/run/dx"
    ) {
        self.control = control
        self.state = state
        self.environment = environment
        self.systemDirectory = systemDirectory
    }

    /// What a search found.
    public enum Result: Hashable, Sendable {
        /// This socket: named, or the only one where one may be.
        case found(String)
        /// More than one gateway may be meant.
        case several([String])
        /// None; these places were looked at.
        case none(searched: [String])
    }

    /// Searches, in this order: `control`, `state`, `DX_CONTROL`, the system's directory, the user's. In a directory
    /// `gateway.sock` comes first, else the only `*.sock` counts. A named place is returned whether or not it exists.
    public func locate() -> Result {
        if let control { return .found(control) }
        if let state { return .found(state + "/control.sock") }
        if let named = environment["DX_CONTROL"], !named.isEmpty { return .found(named) }
        let directories = [systemDirectory] + [userDirectory].compactMap { $0 }
        for directory in directories {
            let sockets = Self.sockets(in: directory)
            if sockets.contains(Self.defaultName) { return .found(directory + "/" + Self.defaultName) }
            if sockets.count == 1 { return .found(directory + "/" + sockets[0]) }
            if sockets.count > 1 { return .several(sockets.map { directory + "/" + $0 }) }
        }
        return .none(searched: directories.map { $0 + "/" + Self.defaultName })
    }

    /// Where a gateway puts its socket when its file does not say: where `DX_CONTROL` has clients look, else in the system's
    /// directory for root, else in the user's; nil when there is none of them.
    public func defaultPath(isRoot: Bool) -> String? {
        if let named = environment["DX_CONTROL"], !named.isEmpty { return named }
        return (isRoot ? systemDirectory : userDirectory).map { $0 + "/" + Self.defaultName }
    }

    private var userDirectory: String? {
        environment["XDG_RUNTIME_DIR"].flatMap { $0.isEmpty ? nil : $0 + "/dx" }
    }

    /// The names of the sockets in a directory, in order; none when it cannot be read.
    private static func sockets(in directory: String) -> [String] {
        guard let listing = unsafe opendir(directory) else { return [] }
        defer { unsafe closedir(listing) }
        var names: [String] = []
        while let entry = unsafe readdir(listing) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            var facts = dx_path()
            guard name.hasSuffix(".sock"), unsafe dx_path_facts(directory + "/" + name, true, &facts) == 0,
                facts.is_socket
            else { continue }
            names.append(name)
        }
        return names.sorted()
    }
}
