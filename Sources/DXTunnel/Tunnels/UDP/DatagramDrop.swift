/// Why a datagram of a UDP tunnel was dropped at this end. The names are those of status.
enum DatagramDrop: String, CaseIterable, Sendable {
    /// Its client does not come from where it may.
    case notAllowed = "not_allowed"
    /// It would have begun a flow, and as many are in use as may be.
    case limit
    /// It would have begun a flow, and no destination is there.
    case noDestination = "no_destination"
    /// It would have begun a flow, and the target could not be had: its name, this gateway's policy, the system.
    case noTarget = "no_target"
    /// It was over the tunnel's rate.
    case rate
    /// The channel has as many messages waiting as may be.
    case queue
    /// The channel carries no message, or none that is large enough for its parts.
    case unsendable
    /// Too much waited while the target's name was looked up.
    case resolving
    /// The target's host said that nobody is at the port (ICMP): an answer to a datagram before it.
    case refusedByTarget = "refused_by_target"
    /// The system did not take it, for the target or the client.
    case system
}

/// How many datagrams were dropped, by reason. They only rise.
struct DatagramDrops: Hashable, Sendable {
    private var counts: [DatagramDrop: UInt64] = [:]

    /// None yet.
    init() {}

    /// One more.
    mutating func count(_ drop: DatagramDrop) { counts[drop, default: 0] &+= 1 }

    /// How many for a reason.
    subscript(_ drop: DatagramDrop) -> UInt64 { counts[drop] ?? 0 }

    /// By the names of status; reasons that never occurred are absent.
    var named: [String: UInt64] {
        Dictionary(counts.map { ($0.key.rawValue, $0.value) }, uniquingKeysWith: &+)
    }
}
