/// The two ECN bits of an IP header (RFC 3168 §5), as they stand in the low end of TOS or traffic class.
public enum ECNMark: UInt8, Hashable, Sendable, BitwiseCopyable {
    /// The sender does not use ECN.
    case notECT = 0b00
    /// ECN-capable, code point 1 (RFC 9331 gives it to L4S).
    case ect1 = 0b01
    /// ECN-capable, code point 0: the one that classic ECN sets.
    case ect0 = 0b10
    /// Congestion experienced: a router marked the datagram instead of dropping it.
    case ce = 0b11

    /// The mark in the low two bits of a TOS or traffic class byte; the other six (DSCP) are ignored.
    @inlinable
    public init(trafficClass: UInt8) {
        switch trafficClass & 0b11 {
        case 0b01: self = .ect1
        case 0b10: self = .ect0
        case 0b11: self = .ce
        default: self = .notECT
        }
    }
}
