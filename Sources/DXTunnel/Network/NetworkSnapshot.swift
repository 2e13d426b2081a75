import DXMatch
import DXWire
import Glibc

/// What this host's network is like at a moment: its interfaces, their addresses, and which of them lead to everywhere.
struct NetworkSnapshot: Sendable, Equatable {
    /// In the kernel's order.
    var interfaces: [Interface] = []

    /// A network interface.
    struct Interface: Sendable, Equatable {
        /// As the kernel calls it, at most 15 bytes.
        var name: String
        /// The kernel's number.
        var index: UInt32
        var isLoopback = false
        /// It is up and has a carrier.
        var isRunning = true
        /// Made by software to join others (bridges, containers' ends): not known by flags, but by what the kernel says of its kind.
        var isVirtual = false
        /// It leads to one other host: PPP, most modems, VPNs.
        var isPointToPoint = false
        /// Usable ones, port 0; an IPv6 address of the link alone with its scope.
        var addresses: [Endpoint] = []
        /// The least metrics of the ways to everywhere that it has, by IP version; none where it has none.
        var defaultMetrics: [Endpoint.Family: UInt32] = [:]

        /// Whether everywhere is reached by it in a family.
        func hasDefaultRoute(_ family: Endpoint.Family) -> Bool { defaultMetrics[family] != nil }
    }

    /// A host with more interfaces is a switch; the others are not looked at.
    static let mostInterfaces = 64
    /// Addresses of one interface that are looked at.
    static let mostAddresses = 32

    // MARK: Questions

    /// The interface with an address; the port does not matter.
    func interface(of address: Endpoint) -> Interface? {
        interfaces.first { $0.addresses.contains { $0.hasSameAddress(as: address) } }
    }

    /// Whether this host has an address; the port does not matter.
    func has(_ address: Endpoint) -> Bool { interface(of: address) != nil }

    /// Through which interface datagrams from this address are to leave where the address alone does not decide it: the number, or 0 to
    /// leave it to the routing table.
    ///
    /// On a host with one way to everywhere it is always left to the table. With several the table would send all by the best one,
    /// with whatever source address, and networks drop what is not from them (BCP 38). For IPv6 the kernel chooses the address with the
    /// interface (`DatagramSender.append`), so only an interface with one address of the internet can be named.
    func exit(from address: Endpoint) -> UInt32 {
        guard hasSeveralWays, let interface = interface(of: address), interface.hasDefaultRoute(address.family),
            !interface.isLoopback, interfaces.count(where: { $0.hasDefaultRoute(address.family) }) > 1
        else { return 0 }
        switch address.family {
        case .v4: return interface.index
        case .v6: return interface.addresses.count { $0.family == .v6 && $0.scope == 0 } == 1 ? interface.index : 0
        }
    }

    /// Whether more than one interface leads to everywhere, in some IP version.
    var hasSeveralWays: Bool { interfaces.count { !$0.defaultMetrics.isEmpty } > 1 }

    // MARK: Looking

    /// The network as it is now; takes well below a millisecond on a host with a dozen addresses.
    static func current() -> NetworkSnapshot {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&list) == 0 else { return NetworkSnapshot() }
        defer { unsafe freeifaddrs(list) }
        var result = NetworkSnapshot()
        let unusable = InterfaceTable.unusable(v6: RouteTable.read("/proc/net/if_inet6"))
        var next = unsafe list
        while let entry = unsafe next {
            unsafe next = entry.pointee.ifa_next
            let name = unsafe String(cString: entry.pointee.ifa_name)
            let flags = unsafe entry.pointee.ifa_flags
            let address = unsafe entry.pointee.ifa_addr.flatMap { unsafe Endpoint(socketAddress: $0) }
            result.add(address, to: name, flags: flags, unusable: unusable) { unsafe if_nametoindex(name) }
        }
        result.noteRoutes(
            v4: RouteTable.defaultMetrics(v4: RouteTable.read("/proc/net/route")),
            v6: RouteTable.defaultMetrics(v6: RouteTable.read("/proc/net/ipv6_route")))
        return result
    }

    private mutating func add(
        _ address: Endpoint?, to name: String, flags: UInt32, unusable: Set<Endpoint>, index: () -> UInt32
    ) {
        guard flags & UInt32(IFF_UP) != 0 else { return }
        if !interfaces.contains(where: { $0.name == name }) {
            let number = index()
            guard number != 0, interfaces.count < Self.mostInterfaces else { return }
            interfaces.append(
                Interface(
                    name: name, index: number, isLoopback: flags & UInt32(IFF_LOOPBACK) != 0,
                    isRunning: flags & UInt32(IFF_RUNNING) != 0, isVirtual: InterfaceTable.isVirtual(name),
                    isPointToPoint: flags & UInt32(IFF_POINTOPOINT) != 0))
        }
        guard let address, !unusable.contains(address.withPort(0)),
            let place = interfaces.firstIndex(where: { $0.name == name }),
            interfaces[place].addresses.count < Self.mostAddresses
        else { return }
        interfaces[place].addresses.append(address.withPort(0))
    }

    private mutating func noteRoutes(v4: [String: UInt32], v6: [String: UInt32]) {
        for place in interfaces.indices {
            interfaces[place].defaultMetrics[.v4] = v4[interfaces[place].name]
            interfaces[place].defaultMetrics[.v6] = v6[interfaces[place].name]
        }
    }

    // MARK: Differences

    /// What is different from an earlier look.
    func changes(from old: NetworkSnapshot) -> NetworkChange {
        let (before, after) = (old.usableAddresses, usableAddresses)
        // Containers come and go; by the ends of theirs nobody is reached who was not before.
        let outer = interfaces.filter { $0.isRunning && !$0.isVirtual }.flatMap(\.addresses)
        return NetworkChange(
            gone: before.filter { !after.contains($0) }, new: outer.filter { !before.contains($0) },
            routesChanged: old.routes != routes)
    }

    /// The addresses of interfaces that work.
    var usableAddresses: [Endpoint] { interfaces.filter(\.isRunning).flatMap(\.addresses) }

    private var routes: [Route] {
        interfaces.flatMap { interface in
            interface.defaultMetrics.map {
                Route(index: interface.index, family: $0.key, metric: $0.value)
            }
        }.sorted { ($0.index, $0.family.rawValue) < ($1.index, $1.family.rawValue) }
    }

    private struct Route: Equatable {
        var index: UInt32
        var family: Endpoint.Family
        var metric: UInt32
    }
}

/// What is different between two looks at a network.
struct NetworkChange: Sendable, Equatable {
    /// Addresses that are not this host's any more, or whose interface has no carrier.
    var gone: [Endpoint]
    /// Addresses that it has now.
    var new: [Endpoint]
    /// Ways to everywhere came, went or have another metric.
    var routesChanged: Bool

    /// Whether an address of ours is among those that are gone; the port does not matter.
    func has(lost address: Endpoint?) -> Bool {
        address.map { address in gone.contains { $0.hasSameAddress(as: address) } } ?? false
    }

    /// Whether nothing is.
    var isEmpty: Bool { gone.isEmpty && new.isEmpty && !routesChanged }
}

/// What the kernel's files say of interfaces.
enum InterfaceTable {
    /// Flags of `/proc/net/if_inet6` (linux/if_addr.h): an address that another host has, and one of which that is not known yet.
    private static let isDuplicate: UInt32 = 0x08
    private static let isTentative: UInt32 = 0x40
    /// One that may be used although it is not known yet (RFC 4429).
    private static let isOptimistic: UInt32 = 0x04

    /// The IPv6 addresses that this host has and may not use, port 0: address, index, length of the prefix, scope, flags and name, all but
    /// the last in hexadecimal.
    static func unusable(v6 table: String) -> Set<Endpoint> {
        var result: Set<Endpoint> = []
        for line in table.split(separator: "\n") {
            let fields = line.split(whereSeparator: \.isWhitespace)
            guard fields.count >= 6, fields[0].utf8.count == 32,
                let high = UInt64(fields[0].prefix(16), radix: 16), let low = UInt64(fields[0].suffix(16), radix: 16),
                let index = UInt32(fields[1], radix: 16), let flags = UInt32(fields[4], radix: 16)
            else { continue }
            let waits = flags & isTentative != 0 && flags & isOptimistic == 0
            guard waits || flags & isDuplicate != 0 else { continue }
            result.insert(Endpoint(v6High: high, low: low, scope: high &>> 54 == 0x3fa ? index : 0, port: 0))
        }
        return result
    }

    /// Whether an interface joins others of this host alone: a bridge, or the end of a container's.
    static func isVirtual(_ name: String) -> Bool {
        if ["docker", "veth", "br-", "virbr", "cni", "flannel", "podman", "lxcbr", "lxdbr"].contains(
            where: name.hasPrefix)
        {
            return true
        }
        guard !name.contains("/"), name != ".." else { return false }
        return unsafe access("/sys/class/net/\(name)/bridge", F_OK) == 0
    }
}
