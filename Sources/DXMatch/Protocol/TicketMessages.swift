import DXWire

/// TICKET_WANTED (`docs/matchmaking.md` §3): the client's one record in the session with a matchmaker.
public struct TicketWanted: Equatable, Sendable, BitwiseCopyable {
    /// The group's match key; nil asks for a ticket that serves OBSERVE only.
    public var matchKey: PublicPoint?
    /// By the match key; zero where there is none.
    public var signature: MatchSignature

    /// The first byte of both records.
    static let kind: UInt8 = 1
    /// The size of the record, in bytes.
    public static let byteCount = 2 + PublicPoint.byteCount + MatchSignature.byteCount

    /// A record with these fields.
    public init(matchKey: PublicPoint?, signature: MatchSignature) {
        self.matchKey = matchKey
        self.signature = signature
    }

    /// Reads a whole record. Bytes after its fields are ignored.
    public init(reading record: RawSpan) throws(MatchDecodeError) {
        var reader = try Self.readHead(record)
        do {
            let hasKey = try reader.peekUInt8() != 0
            matchKey = hasKey ? try PublicPoint(reading: &reader) : try Self.readNoKey(&reader)
            signature = try MatchSignature(reading: &reader)
        } catch { throw .malformed }
    }

    /// Reads kind and version of either record.
    @_lifetime(copy record)
    static func readHead(_ record: RawSpan) throws(MatchDecodeError) -> ByteReader {
        var reader = ByteReader(record)
        guard let kind = try? reader.readUInt8(), let version = try? reader.readUInt8() else { throw .malformed }
        guard kind == Self.kind else { throw .unknownType }
        guard version == MatchMessage.version else { throw .unknownVersion }
        return reader
    }

    private static func readNoKey(_ reader: inout ByteReader) throws(DecodeError) -> PublicPoint? {
        try reader.skip(1)
        guard try Block32(reading: &reader) == .zero else { throw .invalidValue }
        return nil
    }

    /// Appends the whole record.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        output.write(Self.kind)
        output.write(MatchMessage.version)
        if let matchKey { matchKey.write(to: &output) } else { output.writeZeros(PublicPoint.byteCount) }
        signature.write(to: &output)
    }
}

/// TICKET (`docs/matchmaking.md` §3): the matchmaker's one record in a session.
public struct TicketGranted: Equatable, Sendable, BitwiseCopyable {
    /// Whether there is a ticket.
    public var result: Result
    /// How long the ticket is good, in seconds.
    public var lifetime: UInt32
    /// The ticket; zero unless granted.
    public var ticket: Ticket
    /// The matchmaker's second port, 0 if it has none.
    public var alternatePort: UInt16
    /// Optional abilities of the matchmaker, a bit each; none is defined.
    public var features: UInt32

    /// What became of the wish for a ticket.
    public struct Result: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
        /// The number on the wire.
        public let rawValue: UInt8
        /// The result with this number.
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// There is a ticket.
        public static let granted = Result(rawValue: 0)
        /// This matchmaker does not serve that key.
        public static let notServed = Result(rawValue: 1)
        /// It serves no more groups.
        public static let noMoreGroups = Result(rawValue: 2)
        /// It has too many tickets for that key now.
        public static let tooManyTickets = Result(rawValue: 3)
    }

    /// The size of the record, in bytes.
    public static let byteCount = 2 + 1 + 4 + Ticket.byteCount + 2 + 4

    /// A record with these fields.
    public init(result: Result, lifetime: UInt32, ticket: Ticket, alternatePort: UInt16, features: UInt32 = 0) {
        self.result = result
        self.lifetime = lifetime
        self.ticket = ticket
        self.alternatePort = alternatePort
        self.features = features
    }

    /// Reads a whole record. Bytes after its fields are ignored.
    public init(reading record: RawSpan) throws(MatchDecodeError) {
        var reader = try TicketWanted.readHead(record)
        do {
            result = Result(rawValue: try reader.readUInt8())
            lifetime = try reader.readUInt32()
            ticket = try Ticket(reading: &reader)
            alternatePort = try reader.readUInt16()
            features = try reader.readUInt32()
        } catch { throw .malformed }
    }

    /// Appends the whole record.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        output.write(TicketWanted.kind)
        output.write(MatchMessage.version)
        output.write(result.rawValue)
        output.write(lifetime)
        ticket.write(to: &output)
        output.write(alternatePort)
        output.write(features)
    }
}
