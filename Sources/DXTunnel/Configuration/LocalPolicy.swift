import DXWire

/// What this gateway lets its group do with it, whatever the group's admins say: the device's owner has the last word.
///
/// A nil list allows everything, an empty one nothing.
public struct LocalPolicy: Sendable, Hashable {
    /// Where the gateway connects to as a destination.
    public var targets: [Rule]?
    /// Which TCP addresses and unix sockets it takes as an origin.
    public var listeners: [Rule]?

    /// A policy from its parts.
    public init(targets: [Rule]? = nil, listeners: [Rule]? = nil) {
        self.targets = targets
        self.listeners = listeners
    }

    /// Addresses and ports: `127.0.0.1:22`, `10.0.0.0/8:8000-8999`, `[2001:db8::/32]:443`, `192.0.2.7`, `*:443`; or unix sockets:
    /// `unix:/run/app.sock`, `unix:/run/app/` for all below a directory, `unix:*`. A rule of one kind allows none of the other.
    public struct Rule: Sendable, Hashable, CustomStringConvertible {
        private let range: AddressRange?
        private let ports: ClosedRange<UInt16>
        private let path: Path?
        /// The text it was read from.
        public let description: String

        /// Which unix sockets.
        private enum Path: Hashable, Sendable {
            case one(String)
            /// All whose path begins so.
            case below(String)
        }

        /// Reads a rule; nil for anything else.
        public init?(_ text: String) {
            description = text
            if TunnelAddress.isUnix(text) {
                guard let path = Self.path(String(text.dropFirst(5))) else { return nil }
                self.path = path
                range = nil
                ports = 0...0
                return
            }
            path = nil
            var address = text[...]
            var ports: Substring?
            if text.hasPrefix("[") {
                guard let end = text.firstIndex(of: "]") else { return nil }
                address = text[text.index(after: text.startIndex)..<end]
                let rest = text[text.index(after: end)...]
                guard rest.isEmpty || rest.hasPrefix(":") else { return nil }
                if !rest.isEmpty { ports = rest.dropFirst() }
            } else if text.count(where: { $0 == ":" }) == 1 {
                // With more of them it is IPv6 without ports.
                let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
                (address, ports) = (parts[0], parts[1])
            }
            if address == "*" {
                range = nil
            } else {
                guard let range = AddressRange(String(address)) else { return nil }
                self.range = range
            }
            guard let ports else {
                self.ports = 0...UInt16.max
                return
            }
            let bounds = ports.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
            guard bounds.count <= 2, let low = bounds[0], let high = bounds[bounds.count - 1], low <= high else {
                return nil
            }
            self.ports = low...high
        }

        private static func path(_ text: String) -> Path? {
            if text == "*" { return .below("/") }
            let isDirectory = text.hasSuffix("/")
            guard let address = try? TunnelAddress("unix:" + (isDirectory ? String(text.dropLast()) : text)),
                case .unix(let path) = address
            else { return nil }
            return isDirectory ? .below(path + "/") : .one(path)
        }

        func allows(_ endpoint: Endpoint) -> Bool {
            path == nil && ports.contains(endpoint.port) && range.map { $0.contains(endpoint.withPort(0)) } ?? true
        }

        func allows(unixSocket socket: String) -> Bool {
            switch path {
            case .one(let path): socket == path
            case .below(let start): socket.hasPrefix(start)
            case nil: false
            }
        }
    }

    /// Whether the gateway may connect there.
    func allowsTarget(_ endpoint: Endpoint) -> Bool { targets.map { $0.contains { $0.allows(endpoint) } } ?? true }

    /// Whether the gateway may connect there, as far as that can be told without looking a name up; of a range of ports to all.
    func allowsTarget(_ address: TunnelAddress) -> Bool {
        switch address {
        case .unix(let path): targets.map { $0.contains { $0.allows(unixSocket: path) } } ?? true
        case .tcp(let host, let count):
            host.endpoint.map { first in
                (0..<count).allSatisfy { allowsTarget(first.withPort(first.port &+ UInt16(clamping: $0))) }
            } ?? true
        }
    }

    /// Whether the gateway may listen at that unix socket.
    func allowsListener(unixSocket path: String) -> Bool {
        listeners.map { $0.contains { $0.allows(unixSocket: path) } } ?? true
    }

    /// Whether the gateway may listen there.
    func allowsListener(_ endpoint: Endpoint) -> Bool {
        listeners.map { $0.contains { $0.allows(endpoint) } } ?? true
    }
}
