/// Numbers of the protocol and of this implementation that more than one module needs.
public enum Constants {
    // MARK: Specification (docs/wire-format.md)

    /// The UDP payload that every path must carry (§1): RFC 9000 §14's figure, which IPv6 guarantees with headers.
    public static let minimumDatagram = 1200
    /// What a path through a forwarding member must carry (§6.13): a datagram of the minimum less what sealing and framing add to it.
    public static let minimumForwardedDatagram = 1080
    /// No UDP payload is larger (§1): 65,507 is IPv4's limit; a run of GSO segments must stay under it too.
    public static let maximumDatagram = 65_000
    /// How far CONTROL data may run ahead of what was acknowledged (§6.6), in bytes.
    public static let controlWindow: UInt64 = 65_536
    /// The largest control message (§7), in bytes without its length.
    public static let maximumControlMessage = 16_384
}
