/// Which congestion control a path uses. Chosen when the path is made.
public enum CongestionAlgorithm: Sendable, Hashable, CaseIterable, BitwiseCopyable {
    /// CUBIC (RFC 9438), the default: what most hosts speak, so sharing a bottleneck with them is fair.
    case cubic
    /// NewReno as in RFC 9002 §7: the plain one, for comparison.
    case newReno
}
