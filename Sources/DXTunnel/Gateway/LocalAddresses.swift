import DXMatch
import DXWire
import Glibc

/// At which addresses others may find a socket of this machine.
enum LocalAddresses {
    /// The addresses of a socket that is bound to these: themselves, or of every interface where it is bound to all.
    static func reachable(_ bound: [Endpoint]) -> [Endpoint] {
        reachable(bound, among: interfaces().map(\.address))
    }

    /// The same where interfaces have these addresses.
    static func reachable(_ bound: [Endpoint], among addresses: [Endpoint]) -> [Endpoint] {
        let families = bound.filter(\.isUnspecified).map(\.family)
        // Loopback is of use only where there is nothing else by either IP version, as in a test's network namespace: others
        // would call themselves there.
        let hasOuter = addresses.contains { !$0.isLoopback && families.contains($0.family) }
        return bound.flatMap { endpoint in
            guard endpoint.isUnspecified else { return [endpoint] }
            return addresses.filter { $0.family == endpoint.family && !($0.isLoopback && hasOuter) }
                .map { $0.withPort(endpoint.port) }
        }
    }

    /// The networks that this machine is in.
    static func networks() -> [AddressPrefix] {
        var result: [AddressPrefix] = []
        for interface in interfaces() where !interface.address.isLoopback {
            let network = AddressPrefix(around: interface.address, bitCount: interface.prefixBitCount)
            if !result.contains(network) { result.append(network) }
        }
        return result
    }

    /// An address of this machine, port 0, on one of its links.
    struct Link: Hashable {
        /// With the interface as its scope where it is of that link alone.
        var address: Endpoint
        /// The interface's number.
        var index: UInt32
        var isLoopback: Bool
    }

    /// The addresses of interfaces that are up and can send to many at once, and those of loopback.
    static func links() -> [Link] {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&list) == 0 else { return [] }
        defer { unsafe freeifaddrs(list) }
        var result: [Link] = []
        var next = unsafe list
        while let entry = unsafe next {
            unsafe next = entry.pointee.ifa_next
            let flags = unsafe entry.pointee.ifa_flags
            guard flags & UInt32(IFF_UP) != 0, flags & UInt32(IFF_MULTICAST | IFF_LOOPBACK) != 0,
                let address = unsafe entry.pointee.ifa_addr, let endpoint = unsafe Endpoint(socketAddress: address)
            else { continue }
            let link = Link(
                address: endpoint, index: unsafe if_nametoindex(entry.pointee.ifa_name),
                isLoopback: flags & UInt32(IFF_LOOPBACK) != 0)
            if link.index != 0, !result.contains(link) { result.append(link) }
        }
        return result
    }

    /// An address of this machine, port 0, and the length of its network's prefix.
    private struct Interface {
        var address: Endpoint
        var prefixBitCount: Int
    }

    /// The addresses of all interfaces that are up, without those of a link alone.
    private static func interfaces() -> [Interface] {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&list) == 0 else { return [] }
        defer { unsafe freeifaddrs(list) }
        var result: [Interface] = []
        var next = unsafe list
        while let entry = unsafe next {
            unsafe next = entry.pointee.ifa_next
            guard unsafe entry.pointee.ifa_flags & UInt32(IFF_UP) != 0,
                let address = unsafe entry.pointee.ifa_addr, let endpoint = unsafe Endpoint(socketAddress: address)
            else { continue }
            // fe80::/10 means another host on each link.
            if endpoint.family == .v6, endpoint.high &>> 54 == 0x3fa { continue }
            guard !result.contains(where: { $0.address == endpoint }) else { continue }
            let mask = unsafe entry.pointee.ifa_netmask.flatMap { unsafe Endpoint(socketAddress: $0) }
            // A host that does not say is alone in its network.
            let bitCount = mask.map { $0.high.nonzeroBitCount + $0.low.nonzeroBitCount }
            result.append(
                Interface(address: endpoint, prefixBitCount: bitCount ?? (endpoint.family == .v4 ? 32 : 128)))
        }
        return result
    }
}

extension Endpoint {
    /// The address that the kernel wrote there; nil when it is of neither IP version.
    init?(socketAddress address: UnsafePointer<sockaddr>) {
        let raw = unsafe UnsafeRawPointer(address)
        switch unsafe Int32(address.pointee.sa_family) {
        case AF_INET:
            // struct sockaddr_in: the port at byte 2, the address at byte 4.
            self.init(
                v4: unsafe UInt32(bigEndian: raw.loadUnaligned(fromByteOffset: 4, as: UInt32.self)),
                port: unsafe UInt16(bigEndian: raw.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
        case AF_INET6:
            // struct sockaddr_in6: the address at byte 8, the scope at byte 24.
            self.init(
                v6High: unsafe UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                low: unsafe UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 16, as: UInt64.self)),
                scope: unsafe raw.loadUnaligned(fromByteOffset: 24, as: UInt32.self),
                port: unsafe UInt16(bigEndian: raw.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
        default: return nil
        }
    }

    /// Whether it is this machine's own, for itself alone.
    var isLoopback: Bool {
        switch family {
        case .v4: low &>> 24 == 127
        case .v6: high == 0 && low == 1
        }
    }
}
