import DXWire
import Glibc
import NIOCore
import NIOPosix

/// Turns host names into addresses, on threads that may block.
enum NameResolver {
    /// The addresses of a host; at most `maximumCount`, in the system's order of preference (RFC 6724). A literal address
    /// needs no look-up. Fails with `GatewayError.system` when there are none.
    static func resolve(_ address: HostAddress, on eventLoop: any EventLoop) -> EventLoopFuture<[Endpoint]> {
        if let endpoint = address.endpoint { return eventLoop.makeSucceededFuture([endpoint]) }
        return NIOThreadPool.singleton.runIfActive(eventLoop: eventLoop) { try lookUp(address) }
    }

    /// More addresses than this of one name are not tried.
    static let maximumCount = 8

    private static func lookUp(_ address: HostAddress) throws -> [Endpoint] {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        unsafe hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(address.host, nil, &hints, &list)
        guard code == 0 else {
            throw GatewayError.system(
                "\(address.host) cannot be resolved: \(unsafe String(cString: gai_strerror(code)))")
        }
        defer { unsafe freeaddrinfo(list) }
        var result: [Endpoint] = []
        var next = unsafe list
        while let entry = unsafe next, result.count < maximumCount {
            if let endpoint = unsafe endpoint(entry.pointee, port: address.port), !result.contains(endpoint) {
                result.append(endpoint)
            }
            unsafe next = entry.pointee.ai_next
        }
        return result
    }

    private static func endpoint(_ info: addrinfo, port: UInt16) -> Endpoint? {
        guard let address = unsafe info.ai_addr else { return nil }
        switch unsafe info.ai_family {
        case AF_INET:
            return unsafe address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { pointer in
                unsafe Endpoint(v4: UInt32(bigEndian: pointer.pointee.sin_addr.s_addr), port: port)
            }
        case AF_INET6:
            return unsafe address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { pointer in
                let raw = UnsafeRawPointer(pointer)
                // struct sockaddr_in6: the address begins at byte 8.
                let high = unsafe UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                let low = unsafe UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
                return unsafe Endpoint(v6High: high, low: low, scope: pointer.pointee.sin6_scope_id, port: port)
            }
        default: return nil
        }
    }
}
