public import DXWire

/// The worth of candidates and of pairs of them (RFC 8445 §5.1.2, §6.1.2.3).
public enum CandidatePriority {
    /// `2^24 type + 2^8 local + 256 - component`. There is one component, with number 1.
    ///
    /// - Parameter localPreference: 0 to 65,535, of the address among those of the same kind; see `localPreferences`.
    public static func of(_ kind: PathCandidate.Kind, localPreference: UInt16) -> UInt32 {
        UInt32(typePreference(of: kind)) &<< 24 | UInt32(localPreference) &<< 8 | 255
    }

    /// RFC 8445 §5.1.2.2 recommends 126, 110, 100 and 0 for host, peer-reflexive, server-reflexive and relayed candidates. A
    /// mapped port is above what was merely observed: it lets everyone in, and lasts as long as it was asked for.
    public static func typePreference(of kind: PathCandidate.Kind) -> UInt8 {
        switch kind {
        case .host: 126
        case .portMapped: 115
        case .peerReflexive: 110
        case .serverReflexive: 100
        case .forwarded: 0
        }
    }

    /// The local preferences of these addresses of ours, in their order. The best come first by RFC 6724 §2.1; then the
    /// families take turns (RFC 8421 §4), so that one that leads nowhere costs the other one place, not all of them.
    public static func localPreferences(of endpoints: [Endpoint]) -> [UInt16] {
        func sorted(_ family: Endpoint.Family) -> [Int] {
            endpoints.indices.filter { endpoints[$0].family == family }.sorted {
                let (left, right) = (precedence(of: endpoints[$0]), precedence(of: endpoints[$1]))
                return left == right ? $0 < $1 : left > right
            }
        }
        let (six, four) = (sorted(.v6), sorted(.v4))
        // IPv6 begins, unless what there is of it is worth less than IPv4 (unique local addresses, tunnels).
        let isFourFirst = six.first.map { precedence(of: endpoints[$0]) < Self.v4Precedence } ?? true
        let (first, second) = isFourFirst ? (four, six) : (six, four)
        var result = [UInt16](repeating: 0, count: endpoints.count)
        var rank: UInt16 = .max
        for turn in 0..<max(first.count, second.count) {
            for list in [first, second] where turn < list.count {
                result[list[turn]] = rank
                rank -= rank > 0 ? 1 : 0
            }
        }
        return result
    }

    private static let v4Precedence = 35

    /// RFC 6724 §2.1's table of policy.
    static func precedence(of endpoint: Endpoint) -> Int {
        guard endpoint.family == .v6 else { return v4Precedence }
        switch AddressScope(endpoint) {
        case .loopback: return 50
        case .privateNetwork: return endpoint.high &>> 57 == 0x7e ? 3 : 1
        case .linkLocal, .global, .unusable: break
        }
        if endpoint.high &>> 48 == 0x2002 { return 30 }
        if endpoint.high &>> 32 == 0x2001_0000 { return 5 }
        return 40
    }

    /// `2^32 min(G, D) + 2 max(G, D) + (G > D)`: G is the candidate of the gateway that controls. Both ends get the same.
    public static func pair(controlling: UInt32, controlled: UInt32) -> UInt64 {
        // (2^32 - 1) 2^32 + 2 (2^32 - 1) + 1 is above the range for the largest of both alone; one saturates it.
        let (low, high) = (UInt64(min(controlling, controlled)), UInt64(max(controlling, controlled)))
        let (sum, overflow) = (low &<< 32).addingReportingOverflow(2 * high + (controlling > controlled ? 1 : 0))
        return overflow ? .max : sum
    }
}
