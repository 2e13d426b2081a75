import DXWire

/// What the kernel says of this host's network (rtnetlink(7)), as far as a gateway wants to know.
enum NetlinkNotice: Hashable, Sendable {
    /// An interface came, changed (`isRunning`: it is up and has a carrier) or went.
    case link(index: UInt32, isRunning: Bool, isGone: Bool)
    /// An address, port 0, came, changed or went. `isTentative`: nobody may use it yet (RFC 4862 §5.4).
    case address(Endpoint, index: UInt32, isTentative: Bool, isGone: Bool)
    /// A way to everywhere came, changed or went.
    case defaultRoute(Endpoint.Family, isGone: Bool)
    /// The kernel had more to say than there was room for: all may be different.
    case overrun
    /// Anything else.
    case other
}

/// Reads a datagram of the kernel's: messages one behind the other, each at a multiple of four bytes. A pure function of its bytes;
/// whatever they are, nothing traps, and reading ends at the first message that is none.
///
///     byte      0 ... 3    4 ... 5    6 ... 7    8 ... 11    12 ... 15    16 ...
///     message   length     type       flags      number      port         content, attributes
///
/// Numbers are in the host's order.
struct NetlinkReader {
    /// Of messages (netlink(7), rtnetlink(7)).
    private enum Kind {
        static let overrun: UInt16 = 4
        static let newLink: UInt16 = 16
        static let deletedLink: UInt16 = 17
        static let newAddress: UInt16 = 20
        static let deletedAddress: UInt16 = 21
        static let newRoute: UInt16 = 24
        static let deletedRoute: UInt16 = 25
    }

    private static let headByteCount = 16
    /// IFF_UP and IFF_RUNNING (netdevice(7)).
    private static let runningFlags: UInt32 = 0x41
    /// IFA_F_TENTATIVE, also told by IFA_FLAGS, of which it is a part.
    private static let tentativeFlag: UInt8 = 0x40
    /// IFA_ADDRESS is the other end of a point-to-point link, IFA_LOCAL this one; where there is no such link they are the same, and
    /// IPv6 tells only the first.
    private static let addressAttribute: UInt16 = 1
    private static let localAttribute: UInt16 = 2
    /// AF_INET, AF_INET6.
    private static let families: [UInt8: Endpoint.Family] = [2: .v4, 10: .v6]

    private var rest: [UInt8]
    private var position = 0

    /// A reader of this datagram.
    init(_ bytes: [UInt8]) { rest = bytes }

    /// The next notice; nil at the end, or when what follows is no message.
    mutating func next() -> NetlinkNotice? {
        guard let length = number(at: position, 4), let kind = number(at: position + 4, 2),
            length >= UInt32(Self.headByteCount), Int(length) <= rest.count - position
        else { return nil }
        let content = (position + Self.headByteCount)..<(position + Int(length))
        // The last one may lack the bytes up to the next multiple of four.
        position = min(rest.count, position + Self.aligned(Int(length)))
        return notice(UInt16(truncatingIfNeeded: kind), content) ?? .other
    }

    /// What a message says; nil when it is of another kind or too short for its own.
    private func notice(_ kind: UInt16, _ content: Range<Int>) -> NetlinkNotice? {
        switch kind {
        case Kind.overrun: .overrun
        case Kind.newLink, Kind.deletedLink: link(content, isGone: kind == Kind.deletedLink)
        case Kind.newAddress, Kind.deletedAddress: address(content, isGone: kind == Kind.deletedAddress)
        case Kind.newRoute, Kind.deletedRoute: route(content, isGone: kind == Kind.deletedRoute)
        default: nil
        }
    }

    /// `struct ifinfomsg`: family, nothing, type (2), index (4), flags (4), change mask (4).
    private func link(_ content: Range<Int>, isGone: Bool) -> NetlinkNotice? {
        guard content.count >= 16, let index = number(at: content.lowerBound + 4, 4),
            let flags = number(at: content.lowerBound + 8, 4)
        else { return nil }
        return .link(index: index, isRunning: flags & Self.runningFlags == Self.runningFlags, isGone: isGone)
    }

    /// `struct ifaddrmsg`: family, prefix length, flags, scope, index (4); then attributes.
    private func address(_ content: Range<Int>, isGone: Bool) -> NetlinkNotice? {
        guard content.count >= 8, let family = Self.families[rest[content.lowerBound]],
            let index = number(at: content.lowerBound + 4, 4)
        else { return nil }
        let attributes = (content.lowerBound + 8)..<content.upperBound
        let found = attribute(Self.localAttribute, in: attributes) ?? attribute(Self.addressAttribute, in: attributes)
        guard let found, let address = endpoint(family, found, index) else { return nil }
        let isTentative = rest[content.lowerBound + 2] & Self.tentativeFlag != 0
        return .address(address, index: index, isTentative: isTentative, isGone: isGone)
    }

    /// `struct rtmsg`: family, destination's length in bits, source's, type of service, table, protocol, scope, type, flags (4).
    private func route(_ content: Range<Int>, isGone: Bool) -> NetlinkNotice? {
        guard content.count >= 12, let family = Self.families[rest[content.lowerBound]],
            rest[content.lowerBound + 1] == 0
        else { return nil }
        return .defaultRoute(family, isGone: isGone)
    }

    // MARK: Bytes

    /// Where the content of the first attribute of a kind is: each is length (2), kind (2), content, at a multiple of four.
    private func attribute(_ kind: UInt16, in attributes: Range<Int>) -> Range<Int>? {
        var position = attributes.lowerBound
        while position + 4 <= attributes.upperBound {
            guard let length = number(at: position, 2), let found = number(at: position + 2, 2), length >= 4,
                Int(length) <= attributes.upperBound - position
            else { return nil }
            // The two highest bits are flags (NLA_F_NESTED, NLA_F_NET_BYTEORDER).
            if UInt16(found & 0x3fff) == kind { return (position + 4)..<(position + Int(length)) }
            position += Self.aligned(Int(length))
        }
        return nil
    }

    private func endpoint(_ family: Endpoint.Family, _ content: Range<Int>, _ index: UInt32) -> Endpoint? {
        func half(_ from: Int) -> UInt64 { rest[from..<(from + 8)].reduce(0) { $0 &<< 8 | UInt64($1) } }
        switch family {
        case .v4:
            guard content.count == 4 else { return nil }
            return Endpoint(v4: rest[content].reduce(0) { $0 &<< 8 | UInt32($1) }, port: 0)
        case .v6:
            guard content.count == 16 else { return nil }
            let (high, low) = (half(content.lowerBound), half(content.lowerBound + 8))
            // fe80::/10 means another host on each link.
            return Endpoint(v6High: high, low: low, scope: high &>> 54 == 0x3fa ? index : 0, port: 0)
        }
    }

    /// A number of 2 or 4 bytes in the host's order; nil where the datagram ends before.
    private func number(at position: Int, _ count: Int) -> UInt32? {
        guard position >= 0, count <= rest.count - position else { return nil }
        let bytes = rest[position..<(position + count)]
        #if _endian(little)
            return bytes.reversed().reduce(0) { $0 &<< 8 | UInt32($1) }
        #else
            return bytes.reduce(0) { $0 &<< 8 | UInt32($1) }
        #endif
    }

    private static func aligned(_ count: Int) -> Int { (count + 3) & ~3 }
}
