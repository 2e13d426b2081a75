public import DXWire

/// What all predictions of a gateway together may send (`docs/matchmaking.md` §8). Guesses go to ports that may be anybody's,
/// so there is a harder limit than for checks, and they go to the one address that a matchmaker saw the peer at.
///
/// **Inequality**: in any ten minutes at most three runs go to a prefix (IPv4 /24, IPv6 /48), of at most 1,024 datagrams each,
/// and none begins within ten seconds of the one before, unless that has said that it is over. A run sends at most one datagram each 5 ms.
/// At most 64 prefixes are kept; what would be one more is refused.
public struct PredictionBudget: Sendable {
    /// Runs to a prefix in `span`. Three find a hard peer's port with 99.999 %.
    public static let runLimit = 3
    /// The span of that limit.
    public static let span = Interval.seconds(600)
    /// A run lasts no longer.
    public static let longestRun = Interval.seconds(10)
    private static let maximumPrefixCount = 64

    private var runs: [AddressPrefix: [Instant]] = [:]
    /// Where the last run is over, though its time is not.
    private var ended: Set<AddressPrefix> = []

    /// A budget that nothing was taken of.
    public init() {}

    /// Whether a run towards `endpoint` may begin; it is counted then.
    public mutating func begin(towards endpoint: Endpoint, now: Instant) -> Bool {
        let prefix = AddressPrefix(budgetOf: endpoint)
        if runs.count >= Self.maximumPrefixCount {
            runs = runs.filter { entry in entry.value.contains { now - $0 < Self.span } }
            ended.formIntersection(runs.keys)
        }
        let recent = (runs[prefix] ?? []).filter { now - $0 < Self.span }
        guard recent.count < Self.runLimit, runs[prefix] != nil || runs.count < Self.maximumPrefixCount else {
            return false
        }
        if let last = recent.last, now - last < Self.longestRun, !ended.contains(prefix) { return false }
        ended.remove(prefix)
        runs[prefix] = recent + [now]
        return true
    }

    /// The run that began last towards `endpoint` is over: it found a way, or all was sent.
    public mutating func end(towards endpoint: Endpoint) {
        let prefix = AddressPrefix(budgetOf: endpoint)
        if runs[prefix] != nil { ended.insert(prefix) }
    }
}
