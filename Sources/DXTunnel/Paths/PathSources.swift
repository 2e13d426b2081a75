import DXWire

/// Where paths of this host may begin: its addresses, by interface, with what the rules say of them.
enum PathSources {
    /// The addresses that paths may begin at, the best interfaces first; of each interface and IP version the first address that the
    /// gateway's sockets can send from.
    ///
    /// - Parameters:
    ///   - bound: where the sockets are bound.
    ///   - told: addresses that peers may have learned from this gateway's record.
    static func current(
        _ snapshot: NetworkSnapshot, rules: PathRules, bound: [Endpoint], told: [Endpoint]
    ) -> [PathPlan.Source] {
        var found: [PathPlan.Source] = []
        for interface in snapshot.interfaces where interface.isRunning {
            guard let use = rules.use(of: interface) else { continue }
            for address in interface.addresses where isUsable(address, bound: bound) {
                // A link's own address is another place than one of the internet.
                let isKnown = found.contains {
                    $0.interface == interface.index && $0.address.family == address.family
                        && ($0.address.scope != 0) == (address.scope != 0)
                }
                if isKnown { continue }
                found.append(
                    PathPlan.Source(
                        address: address, interface: interface.index, use: use,
                        isKnownToPeer: told.contains { $0.hasSameAddress(as: address) }))
            }
        }
        return found.enumerated().sorted { left, right in
            let (a, b) = (left.element.use, right.element.use)
            return (a.preference.rawValue, a.isMetered ? 1 : 0, a.rank, left.offset)
                < (b.preference.rawValue, b.isMetered ? 1 : 0, b.rank, right.offset)
        }.map(\.element)
    }

    private static func isUsable(_ address: Endpoint, bound: [Endpoint]) -> Bool {
        bound.contains { local in
            local.family == address.family && (local.isUnspecified || local.hasSameAddress(as: address))
        }
    }
}
