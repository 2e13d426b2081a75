/// What a gateway has to do with forwarding between members (`docs/wire-format.md` §6.13.1).
public struct ForwardingStatus: Sendable, Hashable, Codable {
    /// Whether it forwards for others: `forward` in its file.
    public var isWilling: Bool
    /// What it forwards at most, in bits a second; nil where it does not.
    public var rateBitsPerSecond: UInt64?
    /// Pairs of members that it forwarded for lately.
    public var pairs: Int
    /// Datagrams of others passed on since the start.
    public var datagramsPassed: UInt64
    /// Their bytes.
    public var bytesPassed: UInt64
    /// Datagrams of others that were not passed on, by reason; reasons that never occurred are absent.
    public var refused: [String: UInt64]
    /// Datagrams of its own that it had another member pass on.
    public var datagramsSent: UInt64
    /// Datagrams that another member passed on to it.
    public var datagramsReceived: UInt64
    /// Datagrams of its own that could not be passed on: the forwarder was gone, or they were too large.
    public var datagramsUnsendable: UInt64
    /// Datagrams passed on to it that it did not take.
    public var datagramsRefused: UInt64

    private enum CodingKeys: String, CodingKey {
        case isWilling = "forwards"
        case rateBitsPerSecond = "rate_bits_per_second"
        case pairs
        case datagramsPassed = "datagrams_passed"
        case bytesPassed = "bytes_passed"
        case refused
        case datagramsSent = "datagrams_sent"
        case datagramsReceived = "datagrams_received"
        case datagramsUnsendable = "datagrams_unsendable"
        case datagramsRefused = "datagrams_refused"
    }
}
