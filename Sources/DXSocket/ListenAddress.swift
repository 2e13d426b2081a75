public import DXWire

/// Where a gateway's UDP sockets listen: the value of `listen:` in a configuration.
///
/// - `:7700` or `:0`: IPv4 and IPv6, all addresses, the same port; 0 is a random one.
/// - `0.0.0.0:7700`, `192.0.2.1:7700`: IPv4 alone.
/// - `[::]:7700`, `[::1]:7700`, `[fe80::1%eth0]:7700`: IPv6 alone.
public struct ListenAddress: Hashable, Sendable {
    /// Which addresses.
    public enum Host: Hashable, Sendable {
        /// All addresses of both families.
        case any
        /// One address (or the unspecified one) of one family. The endpoint's port is that of the `ListenAddress`.
        case address(Endpoint)
    }

    /// Which addresses.
    public let host: Host
    /// The port; 0 asks for a random one.
    public let port: UInt16

    /// All addresses of both families, at `port`.
    public init(anyAt port: UInt16) {
        self.host = .any
        self.port = port
    }

    /// One address.
    public init(_ endpoint: Endpoint) {
        self.host = .address(endpoint)
        self.port = endpoint.port
    }

    /// The same at another port.
    public func withPort(_ port: UInt16) -> ListenAddress {
        switch host {
        case .any: ListenAddress(anyAt: port)
        case .address(let endpoint): ListenAddress(endpoint.withPort(port))
        }
    }

    /// Reads one of the forms above. Throws `AddressTextError` with words for the user; host names are refused, because
    /// a socket is bound to an address.
    public init(text: String) throws(AddressTextError) {
        if text.hasPrefix(":") {
            self.init(anyAt: try Endpoint.parsePort(text.dropFirst(), of: text))
        } else {
            self.init(try Endpoint(text: text))
        }
    }
}

extension ListenAddress: CustomStringConvertible {
    /// The form that `init(text:)` reads.
    public var description: String {
        switch host {
        case .any: ":\(port)"
        case .address(let endpoint): endpoint.description
        }
    }
}
