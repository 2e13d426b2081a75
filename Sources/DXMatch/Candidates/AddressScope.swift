public import DXWire

/// What an address says of where it is good (RFC 4291 §2.4, RFC 6890).
public enum AddressScope: Sendable, Equatable {
    /// This host only.
    case loopback
    /// One link: 169.254/16, fe80::/10.
    case linkLocal
    /// One network, not the same as another's that looks alike: RFC 1918, 100.64/10 (carriers), fc00::/7, fec0::/10.
    case privateNetwork
    /// Everywhere.
    case global
    /// Nowhere: unspecified, multicast, broadcast, 0/8, 240/4.
    case unusable

    /// The scope of an endpoint's address. The ranges for documentation (192.0.2/24, 2001:db8::/32, ...) count as global:
    /// laboratories live in them.
    public init(_ endpoint: Endpoint) {
        self =
            switch endpoint.family {
            case .v4: Self.v4(UInt32(truncatingIfNeeded: endpoint.low))
            case .v6: Self.v6(high: endpoint.high, low: endpoint.low)
            }
    }

    private static func v4(_ address: UInt32) -> AddressScope {
        switch address &>> 24 {
        case 0, 224...255: return .unusable
        case 127: return .loopback
        case 10: return .privateNetwork
        default: break
        }
        if address &>> 16 == 0xa9fe { return .linkLocal }
        // 172.16/12, 192.168/16, 100.64/10.
        if address &>> 20 == 0xac1 || address &>> 16 == 0xc0a8 || address &>> 22 == 0x191 { return .privateNetwork }
        return .global
    }

    private static func v6(high: UInt64, low: UInt64) -> AddressScope {
        if high == 0 && low <= 1 { return low == 1 ? .loopback : .unusable }
        if high &>> 56 == 0xff { return .unusable }
        // The first ten bits of fe80::/10 and of the old fec0::/10; the first seven of fc00::/7.
        if high &>> 54 == 0x3fa { return .linkLocal }
        if high &>> 54 == 0x3fb || high &>> 57 == 0x7e { return .privateNetwork }
        return .global
    }
}

/// A range of addresses: the network of an interface, or what a budget counts together.
public struct AddressPrefix: Hashable, Sendable, BitwiseCopyable {
    /// The first address of the range, port 0, no scope.
    public let first: Endpoint
    /// How many bits of an address are the range's: 0 to 32, or 128.
    public let bitCount: UInt8

    /// The range of `bitCount` bits around an address; too many are cut to what the family has.
    public init(around endpoint: Endpoint, bitCount: Int) {
        let count = max(0, min(bitCount, endpoint.family == .v4 ? 32 : 128))
        self.bitCount = UInt8(count)
        switch endpoint.family {
        case .v4:
            let mask = count == 0 ? 0 : UInt32.max &<< UInt32(32 - count)
            first = Endpoint(v4: UInt32(truncatingIfNeeded: endpoint.low) & (count == 0 ? 0 : mask), port: 0)
        case .v6:
            let high = count >= 64 ? UInt64.max : count == 0 ? 0 : UInt64.max &<< UInt64(64 - count)
            let low = count <= 64 ? 0 : count == 128 ? UInt64.max : UInt64.max &<< UInt64(128 - count)
            first = Endpoint(v6High: endpoint.high & high, low: endpoint.low & low, port: 0)
        }
    }

    /// The range that budgets count together: IPv4 /24, IPv6 /48, as for signatures (`docs/architecture.md` §8). What one
    /// owner usually has, so that many addresses of one victim are one.
    public init(budgetOf endpoint: Endpoint) {
        self.init(around: endpoint, bitCount: endpoint.family == .v4 ? 24 : 48)
    }

    /// Whether an address is in the range; its port and scope do not count.
    public func contains(_ endpoint: Endpoint) -> Bool {
        endpoint.family == first.family && AddressPrefix(around: endpoint, bitCount: Int(bitCount)).first == first
    }

    /// Whether an address is the broadcast address of this IPv4 network; ranges of one and two addresses have none.
    public func isBroadcast(_ endpoint: Endpoint) -> Bool {
        guard endpoint.family == .v4, bitCount <= 30, contains(endpoint) else { return false }
        return UInt32(truncatingIfNeeded: endpoint.low) == UInt32(truncatingIfNeeded: first.low) | UInt32.max
            &>> UInt32(bitCount)
    }
}
