internal import DXWire
internal import NIOCore

extension Endpoint {
    /// The address and port in SwiftNIO's box, by its bytes; nil for a unix socket's. An IPv4-mapped one becomes IPv4.
    init?(_ address: SocketAddress) {
        switch address {
        case .v4(let boxed):
            // struct sockaddr_in: family (2), port (2), address (4).
            let (port, address) = unsafe withUnsafeBytes(of: boxed.address) { raw in
                unsafe (
                    raw.loadUnaligned(fromByteOffset: 2, as: UInt16.self),
                    raw.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
                )
            }
            self.init(v4: UInt32(bigEndian: address), port: UInt16(bigEndian: port))
        case .v6(let boxed):
            // struct sockaddr_in6: family (2), port (2), flow label (4), address (16), scope (4).
            let (port, high, low, scope) = unsafe withUnsafeBytes(of: boxed.address) { raw in
                unsafe (
                    raw.loadUnaligned(fromByteOffset: 2, as: UInt16.self),
                    raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
                    raw.loadUnaligned(fromByteOffset: 16, as: UInt64.self),
                    raw.loadUnaligned(fromByteOffset: 24, as: UInt32.self)
                )
            }
            self.init(
                v6High: UInt64(bigEndian: high), low: UInt64(bigEndian: low), scope: scope,
                port: UInt16(bigEndian: port))
        case .unixDomainSocket:
            return nil
        }
    }

    /// Whether it is an IPv6 link-local unicast address (fe80::/10), which means something only with a scope.
    var isLinkLocalV6: Bool { family == .v6 && high &>> 54 == 0xfe80 &>> 6 }

    /// The same address with another scope.
    func withScope(_ scope: UInt32) -> Endpoint {
        switch family {
        case .v4: self
        case .v6: Endpoint(v6High: high, low: low, scope: scope, port: port)
        }
    }
}
