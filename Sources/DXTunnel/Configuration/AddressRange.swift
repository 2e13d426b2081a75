import DXWire

/// Addresses that begin alike, as `192.0.2.0/24` or `2001:db8::/32` (RFC 4632 §3.1, RFC 4291 §2.3).
public struct AddressRange: Hashable, Sendable {
    /// The first of them; port 0.
    let base: Endpoint
    /// How many bits are the same, 0 to 32 for IPv4, to 128 for IPv6.
    let prefixLength: Int

    /// Reads an address, and a slash and a length unless it is one address alone; nil for anything else, also for an address
    /// that has bits behind the prefix: that is mostly a mistake.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let base = Endpoint(address: String(parts[0]), port: 0), base.scope == 0 else {
            return nil
        }
        let longest = Self.bitCount(base.family)
        var length = longest
        if parts.count == 2 {
            guard parts[1].utf8.count <= 3, parts[1].allSatisfy({ $0.isASCII && $0.isNumber }),
                let number = Int(parts[1])
            else { return nil }
            length = number
        }
        guard length <= longest else { return nil }
        let mask = Self.mask(length, base.family)
        guard base.high & ~mask.high == 0, base.low & ~mask.low == 0 else { return nil }
        self.base = base
        prefixLength = length
    }

    /// Whether an address is one of them.
    func contains(_ address: Endpoint) -> Bool {
        guard address.family == base.family else { return false }
        let mask = Self.mask(prefixLength, base.family)
        return address.high & mask.high == base.high && address.low & mask.low == base.low
    }

    private static func bitCount(_ family: Endpoint.Family) -> Int {
        switch family {
        case .v4: 32
        case .v6: 128
        }
    }

    /// The bits of the prefix, as `Endpoint` holds them.
    private static func mask(_ length: Int, _ family: Endpoint.Family) -> (high: UInt64, low: UInt64) {
        func leading(_ count: Int) -> UInt64 { count == 0 ? 0 : UInt64.max << UInt64(64 - count) }
        switch family {
        case .v4: return (0, leading(length) >> 32)
        case .v6: return (leading(min(length, 64)), leading(max(0, length - 64)))
        }
    }
}

extension AddressRange: CustomStringConvertible {
    /// The text form, with the length.
    public var description: String { "\(base.addressText)/\(prefixLength)" }
}
