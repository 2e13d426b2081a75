public import DXWire

/// An HTTP/1.1 request that a `PortMapper` wants made, on a new connection that is closed after it.
public struct PortMapperRequest: Hashable, Sendable {
    /// Its number; the answer names it. A later request makes an earlier one pointless.
    public let number: UInt64
    /// Where to connect to: the router's address, and a port.
    public let server: Endpoint
    /// `GET` or `POST`.
    public let method: String
    /// Visible ASCII, from the first slash on.
    public let path: String
    /// Without Host, Content-Length and Connection, which whoever makes the request adds: Host is `server` as text.
    public let headers: [Header]
    /// Empty for GET.
    public let body: [UInt8]

    /// A line of the request's head.
    public struct Header: Hashable, Sendable {
        /// Its name.
        public let name: String
        /// Its value.
        public let value: String
    }

    /// The largest body of an answer; what is larger has failed.
    public static let maximumAnswer = PortMappingConstants.maximumAnswer
}

/// What became of a `PortMapperRequest`.
public enum PortMapperAnswer: Hashable, Sendable {
    /// An answer came, whole.
    case answered(status: UInt16, body: [UInt8])
    /// None came: refused, broken, too large, no HTTP.
    case failed
}

/// A datagram that a `PortMapper` wants sent from its socket.
public struct PortMapperDatagram: Hashable, Sendable {
    /// The router, or the multicast group of SSDP.
    public let destination: Endpoint
    /// At most 400.
    public let bytes: [UInt8]
}
