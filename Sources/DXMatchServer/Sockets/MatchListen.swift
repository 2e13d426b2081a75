public import DXSocket
public import DXWire

/// Where a matchmaker listens (`docs/matchmaking.md` §5): for each address one socket at its port and one at the alternate port;
/// with an alternate address of the same family two more there, which is what RFC 5780 tests need.
public struct MatchListen: Equatable, Sendable {
    /// The port of matchmaking and STUN.
    public static let port: UInt16 = 3_478
    /// The other port.
    public static let alternatePort: UInt16 = 3_479

    /// The addresses; the first of each family that is a certain address is the first of four with `alternates`.
    public var addresses: [ListenAddress]
    /// The other address and the other port, at most one of each family.
    public var alternates: [Endpoint]
    /// The other port where there is no other address; 0 is a random one, nil is none.
    public var alternatePort: UInt16?

    /// Listens there.
    public init(
        _ addresses: [ListenAddress] = [ListenAddress(anyAt: port)], alternates: [Endpoint] = [],
        alternatePort: UInt16? = MatchListen.alternatePort
    ) {
        self.addresses = addresses
        self.alternates = alternates
        self.alternatePort = alternatePort
    }

    /// A set of sockets: an address, perhaps another one.
    struct SocketSet: Equatable {
        var address: ListenAddress
        var alternate: Endpoint?
    }

    /// The sets. Throws `MatchListenError` when an alternate address has no first one.
    func sets() throws(MatchListenError) -> [SocketSet] {
        guard !addresses.isEmpty else { throw MatchListenError(problem: "there is no address to listen on") }
        var rest = alternates
        var sets: [SocketSet] = []
        for address in addresses {
            var set = SocketSet(address: address)
            if case .address(let first) = address.host, !first.isUnspecified,
                let index = rest.firstIndex(where: { $0.family == first.family })
            {
                let other = rest.remove(at: index)
                guard !other.isUnspecified, !other.hasSameAddress(as: first),
                    other.port != first.port || first.port == 0
                else {
                    throw MatchListenError(
                        problem:
                            "the alternate \(other) differs from \(first) in both address and port, or is of no use")
                }
                set.alternate = other
            }
            sets.append(set)
        }
        if let alone = rest.first {
            throw MatchListenError(
                problem: "the alternate \(alone) has no first one: give --listen with a certain address of its family")
        }
        return sets
    }
}

/// Why a matchmaker cannot listen as it was told.
public struct MatchListenError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong and what to do.
    public let problem: String
    /// The same.
    public var description: String { problem }
}
