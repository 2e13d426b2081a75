/// Which address each simulated gateway has: one of its own in 127.0.0.0/8, neighbours in different prefixes of /24, as
/// gateways are. 127.0.0.0/16 is the matchmaker's, 127.255.0.0/16 the strangers'.
enum AddressPlan {
    /// Prefixes 127.1.0.0/24 to 127.254.255.0/24.
    private static let prefixes = 254 * 256
    /// As many as there are addresses.
    static let capacity = prefixes * 254

    /// The address of a member, in host order.
    static func address(of member: Int) -> UInt32 {
        let (prefix, host) = (member % prefixes, member / prefixes + 1)
        return 127 << 24 | UInt32(prefix + 256) << 8 | UInt32(host)
    }

    /// The member with an address, which may be one that no member has yet; nil for all others' addresses.
    static func member(at address: UInt32) -> Int? {
        let (prefix, host) = (Int(address >> 8 & 0xffff) - 256, Int(address & 255) - 1)
        guard address >> 24 == 127, (0..<prefixes).contains(prefix), (0..<254).contains(host) else { return nil }
        return host * prefixes + prefix
    }

    /// An address of the strangers' one prefix.
    static func stranger(_ number: Int) -> UInt32 { 127 << 24 | 255 << 16 | UInt32(1 + number % 254) }

    /// Whether an address is a stranger's.
    static func isStranger(_ address: UInt32) -> Bool { address >> 8 == 127 << 16 | 255 << 8 }
}
