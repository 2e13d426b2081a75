import DXWire

/// What this gateway lets its group do with it, whatever the group's admins say: the device's owner has the last word.
///
/// A nil list allows everything, an empty one nothing.
public struct LocalPolicy: Sendable, Hashable {
    /// Where the gateway connects to as a destination.
    public var targets: [Rule]?
    /// Which TCP addresses it takes as an origin.
    public var listeners: [Rule]?

    /// A policy from its parts.
    public init(targets: [Rule]? = nil, listeners: [Rule]? = nil) {
        self.targets = targets
        self.listeners = listeners
    }

    /// Addresses and ports: `127.0.0.1:22`, `10.0.0.0/8:8000-8999`, `[2001:db8::/32]:443`, `192.0.2.7`, `*:443`.
    public struct Rule: Sendable, Hashable, CustomStringConvertible {
        private let range: AddressRange?
        private let ports: ClosedRange<UInt16>
        /// The text it was read from.
        public let description: String

        /// Reads a rule; nil for anything else.
        public init?(_ text: String) {
            description = text
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

        func allows(_ endpoint: Endpoint) -> Bool {
            ports.contains(endpoint.port) && range.map { $0.contains(endpoint.withPort(0)) } ?? true
        }
    }

    /// Whether the gateway may connect there.
    func allowsTarget(_ endpoint: Endpoint) -> Bool { targets.map { $0.contains { $0.allows(endpoint) } } ?? true }

    /// Whether the gateway may listen there.
    func allowsListener(_ endpoint: Endpoint) -> Bool {
        listeners.map { $0.contains { $0.allows(endpoint) } } ?? true
    }
}
