/// Which congestion control a path uses. Chosen when the path is made.
public enum CongestionAlgorithm: Sendable, Hashable, CaseIterable, BitwiseCopyable {
    /// CUBIC, and BBR while the path loses packets by chance or stands behind a long queue: `AlgorithmChoice`. The default.
    case automatic
    /// CUBIC (RFC 9438): what most hosts speak, so sharing a bottleneck with them is fair.
    case cubic
    /// NewReno as in RFC 9002 §7: the plain one, for comparison.
    case newReno
    /// BBR version 3 (draft-ietf-ccwg-bbr): measures rate and round trip, for radio and lossy links, and short queues.
    case bbr
}
