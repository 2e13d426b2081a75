import DXMatch
import DXSocket
package import DXWire
import Glibc

/// The way of this host to everywhere: through which router, and from which address.
package struct DefaultRoute: Hashable, Sendable {
    /// The router's address; port 0.
    package let router: Endpoint
    /// This host's address towards it, for IPv6 the one towards the internet; port 0.
    package let local: Endpoint

    /// A way that somebody else knows: not the default gateway, or a test's.
    package init(router: Endpoint, local: Endpoint) {
        self.router = router
        self.local = local
    }

    /// The ways now, by the kernel's tables of this network namespace: of each family one at most. A host without a router, and
    /// an IPv6 host without an address of the internet, has none.
    package static func current() -> [DefaultRoute] {
        var routes: [DefaultRoute] = []
        let v4 = RouteTable.router(v4: RouteTable.read("/proc/net/route"))
        if let v4, let local = SourceAddress.towards(v4) { routes.append(DefaultRoute(router: v4, local: local)) }
        let v6 = RouteTable.router(v6: RouteTable.read("/proc/net/ipv6_route")) { unsafe if_nametoindex($0) }
        // Towards a router's own, which is of the link alone, an address of the link alone would be taken.
        if let v6, let local = SourceAddress.towards(Endpoint(v6High: 0x2000 << 48, low: 1, port: 0)),
            AddressScope(local) == .global
        {
            routes.append(DefaultRoute(router: v6, local: local))
        }
        return routes
    }
}

/// The kernel's routing tables as text (proc(5), and net/ipv6/route.c of Linux).
enum RouteTable {
    /// Tables of hosts have a dozen lines of 130 bytes. In a router's table of the whole internet the default route is the first
    /// of IPv4; one of IPv6 behind this is not found, which a router does not need.
    private static let mostBytes = 262_144
    private static let isUp: UInt32 = 0x1
    private static let hasGateway: UInt32 = 0x2
    private static let rejects: UInt32 = 0x200

    /// The default gateway with the least metric in `/proc/net/route`: interface, destination, gateway, flags, references, uses,
    /// metric, mask, …; addresses are hexadecimal numbers whose bytes in memory are the address.
    static func router(v4 table: String) -> Endpoint? {
        var best: (metric: UInt32, router: Endpoint)?
        for line in table.split(separator: "\n").dropFirst() {
            let fields = line.split(whereSeparator: \.isWhitespace)
            guard fields.count >= 8, UInt32(fields[1], radix: 16) == 0, UInt32(fields[7], radix: 16) == 0,
                let gateway = UInt32(fields[2], radix: 16), gateway != 0, let flags = UInt32(fields[3], radix: 16),
                flags & isUp != 0, flags & hasGateway != 0, flags & rejects == 0, let metric = UInt32(fields[6])
            else { continue }
            if metric < best?.metric ?? .max || best == nil {
                best = (metric, Endpoint(v4: UInt32(bigEndian: gateway), port: 0))
            }
        }
        return best?.router
    }

    /// The same for `/proc/net/ipv6_route`: destination, its length, source, its length, next hop, metric, references, uses,
    /// flags, interface; all hexadecimal, addresses as they are read. `index` gives an interface's number.
    static func router(v6 table: String, index: (String) -> UInt32) -> Endpoint? {
        var best: (metric: UInt32, router: Endpoint)?
        for line in table.split(separator: "\n") {
            let fields = line.split(whereSeparator: \.isWhitespace)
            guard fields.count >= 10, UInt32(fields[1], radix: 16) == 0, fields[4].utf8.count == 32,
                let high = UInt64(fields[4].prefix(16), radix: 16), let low = UInt64(fields[4].suffix(16), radix: 16),
                let metric = UInt32(fields[5], radix: 16), let flags = UInt32(fields[8], radix: 16),
                flags & isUp != 0, flags & hasGateway != 0, flags & rejects == 0
            else { continue }
            let isOfLink = high &>> 54 == 0x3fa
            let router = Endpoint(v6High: high, low: low, scope: isOfLink ? index(String(fields[9])) : 0, port: 0)
            guard router.family == .v6, !router.isUnspecified, !isOfLink || router.scope != 0 else { continue }
            if metric < best?.metric ?? .max || best == nil { best = (metric, router) }
        }
        return best?.router
    }

    /// The least metric of each interface's ways to everywhere, through a router or not, in `/proc/net/route`.
    static func defaultMetrics(v4 table: String) -> [String: UInt32] {
        var result: [String: UInt32] = [:]
        for line in table.split(separator: "\n").dropFirst() {
            let fields = line.split(whereSeparator: \.isWhitespace)
            guard fields.count >= 8, UInt32(fields[1], radix: 16) == 0, UInt32(fields[7], radix: 16) == 0,
                let flags = UInt32(fields[3], radix: 16), flags & isUp != 0, flags & rejects == 0,
                let metric = UInt32(fields[6])
            else { continue }
            result[String(fields[0])] = min(metric, result[String(fields[0])] ?? .max)
        }
        return result
    }

    /// The same in `/proc/net/ipv6_route`. Addresses of the link alone and multicast have ways of their own, which are not to everywhere.
    static func defaultMetrics(v6 table: String) -> [String: UInt32] {
        var result: [String: UInt32] = [:]
        for line in table.split(separator: "\n") {
            let fields = line.split(whereSeparator: \.isWhitespace)
            guard fields.count >= 10, UInt32(fields[1], radix: 16) == 0, fields[0].allSatisfy({ $0 == "0" }),
                let metric = UInt32(fields[5], radix: 16), let flags = UInt32(fields[8], radix: 16),
                flags & isUp != 0, flags & rejects == 0
            else { continue }
            result[String(fields[9])] = min(metric, result[String(fields[9])] ?? .max)
        }
        return result
    }

    /// The beginning of a file of /proc; empty when it cannot be read.
    static func read(_ path: String) -> String {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { _ = close(descriptor) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 16_384)
        while bytes.count < mostBytes {
            let count = unsafe part.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { break }
            bytes += part[..<count]
        }
        // A line that is cut has too few fields.
        return String(decoding: bytes, as: UTF8.self)
    }
}
