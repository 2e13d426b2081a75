/// The two ECN bits of an IP header (RFC 3168 §5).
public enum ECNMark: UInt8, Sendable, BitwiseCopyable {
    /// The sender does not take part.
    case notECT = 0
    /// The sender takes part, codepoint ECT(1).
    case ect1 = 1
    /// The sender takes part, codepoint ECT(0).
    case ect0 = 2
    /// A router saw congestion.
    case ce = 3

    /// The mark in the low two bits of a TOS or traffic class byte.
    public init(trafficClass: UInt8) {
        switch trafficClass & 3 {
        case 1: self = .ect1
        case 2: self = .ect0
        case 3: self = .ce
        default: self = .notECT
        }
    }
}
