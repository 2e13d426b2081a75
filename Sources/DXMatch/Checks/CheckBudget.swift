public import DXWire

/// What all check lists of a gateway together may send to addresses that have not answered (`docs/matchmaking.md` §7): so that
/// no member, and no matchmaker, can turn gateways against somebody who has nothing to do with them.
///
/// **Inequality**: in any span of one second at most `endpointLimit` checks go to an endpoint, and at most
/// `prefixByteLimit` bytes to a prefix (IPv4 /24, IPv6 /48). Exact, not on average: the times of what was sent are kept, of
/// the last second. At most 1,024 prefixes and 4,096 endpoints are kept; what would be one more waits.
public struct CheckBudget: Sendable {
    /// The UDP payload of a CHECK: 120 bytes of message, nonce and tag of the veil.
    public static let checkByteCount = 148
    /// Bytes of UDP payload to a prefix in a second.
    public static let prefixByteLimit = 1_200
    /// Checks to an endpoint in a second: what the schedule of one pair needs (0, 100, 300, 700 ms), and one more.
    public static let endpointLimit = 5
    /// Checks to a prefix in a second, as many as fit.
    static let prefixLimit = prefixByteLimit / checkByteCount
    /// Of them those that a check of the peer's called for may use all, others leave two. Addresses that are only named must
    /// not delay the one that the peer has just been heard at.
    static let unaskedLimit = prefixLimit - 2

    private static let span = Interval.seconds(1)
    private static let maximumPrefixCount = 1_024
    private static let maximumEndpointCount = 4_096

    private var prefixes: [AddressPrefix: [Instant]] = [:]
    private var endpoints: [Endpoint: [Instant]] = [:]

    /// A budget that nothing was taken of.
    public init() {}

    /// Whether a check may go now.
    public enum Admission: Sendable, Equatable {
        /// It may, and is counted.
        case granted
        /// Not before then; later than now.
        case later(Instant)
    }

    /// Takes the budget of one check to `endpoint`.
    ///
    /// - Parameter isTriggered: whether a check from there was just heard.
    public mutating func take(for endpoint: Endpoint, isTriggered: Bool, now: Instant) -> Admission {
        let prefix = AddressPrefix(budgetOf: endpoint)
        makeRoom(now: now)
        let ofPrefix = recent(prefixes[prefix], now: now)
        let ofEndpoint = recent(endpoints[endpoint], now: now)
        if (ofPrefix.isEmpty && prefixes.count >= Self.maximumPrefixCount)
            || (ofEndpoint.isEmpty && endpoints.count >= Self.maximumEndpointCount)
        {
            return .later(now + Self.span)
        }
        let limit = isTriggered ? Self.prefixLimit : Self.unaskedLimit
        var free = now
        if ofPrefix.count >= limit { free = max(free, ofPrefix[ofPrefix.count - limit] + Self.span) }
        if ofEndpoint.count >= Self.endpointLimit {
            free = max(free, ofEndpoint[ofEndpoint.count - Self.endpointLimit] + Self.span)
        }
        guard free <= now else { return .later(free) }
        prefixes[prefix] = ofPrefix + [now]
        endpoints[endpoint] = ofEndpoint + [now]
        return .granted
    }

    /// What of these times is less than a second ago.
    private func recent(_ times: [Instant]?, now: Instant) -> [Instant] {
        guard let times else { return [] }
        return times.filter { now - $0 < Self.span }
    }

    /// Forgets what is over a second old, once a table is full.
    private mutating func makeRoom(now: Instant) {
        if prefixes.count >= Self.maximumPrefixCount {
            prefixes = prefixes.filter { entry in entry.value.contains { now - $0 < Self.span } }
        }
        if endpoints.count >= Self.maximumEndpointCount {
            endpoints = endpoints.filter { entry in entry.value.contains { now - $0 < Self.span } }
        }
    }
}
