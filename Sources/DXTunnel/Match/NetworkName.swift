import DXWire

/// What a network is recognised by when a device comes back to it: its router's address and, where the kernel knows it, the router's
/// hardware address, since half of all networks have their router at 192.168.1.1.
struct NetworkName: Hashable, Sendable {
    /// The router's address; port 0.
    let router: Endpoint
    /// The router's hardware address as the kernel writes it; nil where it is not known, as for IPv6.
    let hardware: String?

    /// The network by which this host reaches the internet in a family; nil without a router.
    static func current(_ family: Endpoint.Family) -> NetworkName? {
        guard let router = DefaultRoute.current().first(where: { $0.router.family == family })?.router else {
            return nil
        }
        return NetworkName(router: router, hardware: hardware(of: router, in: RouteTable.read("/proc/net/arp")))
    }

    /// The hardware address of a neighbour in `/proc/net/arp`: address, hardware type, flags, hardware address, mask, device.
    static func hardware(of neighbour: Endpoint, in table: String) -> String? {
        for line in table.split(separator: "\n").dropFirst() {
            let fields = line.split(whereSeparator: \.isWhitespace)
            // An entry that is not complete has zeros.
            guard fields.count >= 6, String(fields[0]) == neighbour.addressText, fields[3] != "00:00:00:00:00:00" else {
                continue
            }
            return String(fields[3])
        }
        return nil
    }
}

/// What was measured in the networks that this gateway was in, for when it comes back. In memory: whoever keeps it on disk
/// sets it at the start, and reads it when it has changed.
struct NetworkMemory: Sendable {
    /// How long bindings live, by network; the last one used is the last.
    private(set) var lifetimes: [(network: NetworkName, lifetime: Interval)] = []

    /// More networks than a device comes to.
    static let most = 16

    /// How long bindings live in a network.
    func lifetime(in network: NetworkName) -> Interval? { lifetimes.first { $0.network == network }?.lifetime }

    /// Keeps what was measured; the network that was longest not measured goes when there are too many.
    mutating func keep(_ lifetime: Interval, in network: NetworkName) {
        lifetimes.removeAll { $0.network == network }
        lifetimes.append((network, lifetime))
        if lifetimes.count > Self.most { lifetimes.removeFirst() }
    }
}
