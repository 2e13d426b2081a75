public import DXWire

/// An address at which a gateway may be reached, as it tells the others (`docs/matchmaking.md` §6).
public struct Candidate: Hashable, Sendable, BitwiseCopyable {
    /// Where the gateway has it from.
    public var kind: Kind
    /// Larger ones are tried first (RFC 8445 §5.1.2).
    public var priority: UInt32
    /// The address. Not looked at: whoever uses it drops what `Endpoint.isSendable` refuses.
    public var endpoint: Endpoint

    /// Where a gateway has an address from. A struct: a newer gateway may send others, which are kept and not used.
    public struct Kind: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
        /// The number on the wire.
        public let rawValue: UInt8
        /// The kind with this number.
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// An address of its own.
        public static let host = Kind(rawValue: 0)
        /// What a matchmaker or a STUN server saw.
        public static let serverReflexive = Kind(rawValue: 1)
        /// A port that a router opened when asked.
        public static let portMapped = Kind(rawValue: 2)
        /// What the other gateway saw. Never sent.
        public static let peerReflexive = Kind(rawValue: 3)
        /// A member that forwards.
        public static let forwarded = Kind(rawValue: 4)
    }

    /// The largest size on the wire, in bytes.
    public static let maximumByteCount = 1 + 4 + Endpoint.v6MatchByteCount

    /// A candidate with these fields.
    public init(kind: Kind, priority: UInt32, endpoint: Endpoint) {
        self.kind = kind
        self.priority = priority
        self.endpoint = endpoint
    }

    /// Reads one candidate.
    public init(reading reader: inout ByteReader) throws(DecodeError) {
        kind = Kind(rawValue: try reader.readUInt8())
        priority = try reader.readUInt32()
        endpoint = try Endpoint(reading: &reader, mask: .none)
    }

    /// Appends the candidate; at most `maximumByteCount` bytes.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        output.write(kind.rawValue)
        output.write(priority)
        endpoint.write(to: &output, mask: .none)
    }
}
