/// An IP address and a UDP or TCP port: trivial, comparable, no heap (unlike NIO's `SocketAddress`).
///
/// An IPv4-mapped IPv6 address (`::ffff:a.b.c.d`) becomes IPv4 at construction, so that one host has one form.
public struct Endpoint: Hashable, Sendable, BitwiseCopyable {
    /// The first eight bytes of the IPv6 address; 0 for IPv4.
    public let high: UInt64
    /// The last eight bytes of the IPv6 address; for IPv4 the address in the low 32 bits.
    public let low: UInt64
    /// The IPv6 scope (interface index) of a link-local address; otherwise 0.
    public let scope: UInt32
    /// The port, 0 to 65535.
    public let port: UInt16
    /// Which kind of address it is.
    public let family: Family

    /// An IP version.
    public enum Family: UInt8, Sendable, BitwiseCopyable {
        /// IPv4.
        case v4 = 4
        /// IPv6.
        case v6 = 6
    }

    /// The IPv4 address in `address` (first byte highest) and a port.
    public init(v4 address: UInt32, port: UInt16) {
        self.init(family: .v4, high: 0, low: UInt64(address), scope: 0, port: port)
    }

    /// The IPv6 address whose bytes are those of `high` then `low`, and a port; a mapped one becomes IPv4.
    public init(v6High high: UInt64, low: UInt64, scope: UInt32 = 0, port: UInt16) {
        if high == 0 && low &>> 32 == 0xffff {
            self.init(v4: UInt32(truncatingIfNeeded: low), port: port)
            return
        }
        self.init(family: .v6, high: high, low: low, scope: scope, port: port)
    }

    private init(family: Family, high: UInt64, low: UInt64, scope: UInt32, port: UInt16) {
        self.high = high
        self.low = low
        self.scope = scope
        self.port = port
        self.family = family
    }

    /// The same address with another port.
    public func withPort(_ port: UInt16) -> Endpoint {
        switch family {
        case .v4: Endpoint(v4: UInt32(truncatingIfNeeded: low), port: port)
        case .v6: Endpoint(v6High: high, low: low, scope: scope, port: port)
        }
    }

    /// Whether both have the same address, whatever the ports.
    public func hasSameAddress(as other: Endpoint) -> Bool {
        high == other.high && low == other.low && scope == other.scope && family == other.family
    }

    /// Whether it is 0.0.0.0 or ::.
    public var isUnspecified: Bool { high == 0 && low == 0 }

    /// Whether a datagram may be sent there at all: not unspecified, not multicast, not the IPv4 broadcast address, not
    /// IPv6's discard prefix (`isForwarded`), not port 0. A directed broadcast address cannot be told from a host's; the kernel refuses it.
    public var isSendable: Bool {
        guard port != 0, !isUnspecified else { return false }
        switch family {
        case .v4: return low &>> 28 != 0xe && low != 0xffff_ffff
        case .v6: return high &>> 56 != 0xff && !isForwarded
        }
    }
}

extension Endpoint: CustomStringConvertible {
    /// `192.0.2.1:7700` or `[2001:db8::1]:7700`.
    public var description: String {
        switch family {
        case .v4: "\(addressText):\(port)"
        case .v6: "[\(addressText)]:\(port)"
        }
    }

    /// The address alone, in the canonical form (RFC 5952 for IPv6), with `%scope` where there is one.
    public var addressText: String {
        switch family {
        case .v4:
            return stride(from: 24, through: 0, by: -8).map { String(low &>> UInt64($0) & 255) }.joined(separator: ".")
        case .v6:
            let groups = (0..<8).map { index -> UInt64 in
                let word = index < 4 ? high : low
                return word &>> UInt64(48 - index % 4 * 16) & 0xffff
            }
            var best = 0..<0
            var start = 0
            while start < 8 {
                var end = start
                while end < 8 && groups[end] == 0 { end += 1 }
                if end - start > max(best.count, 1) { best = start..<end }
                start = max(end, start + 1)
            }
            func text(_ slice: ArraySlice<UInt64>) -> String {
                slice.map { String($0, radix: 16) }.joined(separator: ":")
            }
            let address =
                best.isEmpty
                ? text(groups[...])
                : "\(text(groups[..<best.lowerBound]))::\(text(groups[best.upperBound...]))"
            return scope == 0 ? address : "\(address)%\(scope)"
        }
    }
}
