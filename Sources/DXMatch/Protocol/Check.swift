public import DXWire

/// CHECK (`docs/matchmaking.md` §7): does a datagram get from there to here? A veiled message of type 4.
public struct Check: Equatable, Sendable, BitwiseCopyable {
    /// The gateway that sent it.
    public var sender: GatewayID
    /// Names the check.
    public var transaction: TransactionID
    /// That of the candidate which an answer to it makes (RFC 8445 §7.1.1).
    public var priority: UInt32
    /// Bits, of which one is defined.
    public var flags: UInt8
    /// The head of the HMAC over all before it.
    public var code: CheckCode

    /// The type of the veiled message.
    public static let type: UInt8 = 4
    /// The flag by which the controlling gateway takes the pair.
    public static let nominates: UInt8 = 1
    /// The bytes that the code covers: type, version and all fields but the code.
    public static let coveredByteCount = 2 + GatewayID.byteCount + TransactionID.byteCount + 4 + 1

    /// A check with these fields.
    public init(
        sender: GatewayID, transaction: TransactionID, priority: UInt32, flags: UInt8 = 0, code: CheckCode = .zero
    ) {
        self.sender = sender
        self.transaction = transaction
        self.priority = priority
        self.flags = flags
        self.code = code
    }

    /// Reads a whole message; one of less than `MatchConstants.checkByteCount` bytes is malformed, so that no CHECKED is
    /// longer than what it answers.
    public init(reading message: RawSpan) throws(MatchDecodeError) {
        guard message.byteCount >= MatchConstants.checkByteCount else { throw .malformed }
        var reader = try Self.readHead(message, type: Self.type)
        do {
            sender = try GatewayID(reading: &reader)
            transaction = try TransactionID(reading: &reader)
            priority = try reader.readUInt32()
            flags = try reader.readUInt8()
            code = try CheckCode(reading: &reader)
        } catch { throw .malformed }
    }

    /// Reads type and version of a veiled message.
    @_lifetime(copy message)
    static func readHead(_ message: RawSpan, type: UInt8) throws(MatchDecodeError) -> ByteReader {
        var reader = ByteReader(message)
        guard let first = try? reader.readUInt8(), let version = try? reader.readUInt8() else { throw .malformed }
        guard first == type else { throw .unknownType }
        guard version == MatchMessage.version else { throw .unknownVersion }
        return reader
    }

    /// Appends what the code covers.
    @_lifetime(output: copy output)
    public func writeCovered(to output: inout OutputRawSpan) {
        output.write(Self.type)
        output.write(MatchMessage.version)
        output.write(sender)
        transaction.write(to: &output)
        output.write(priority)
        output.write(flags)
    }

    /// Appends the whole message, padded: `MatchConstants.checkByteCount` bytes.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        writeCovered(to: &output)
        code.write(to: &output)
        output.writeZeros(MatchConstants.checkByteCount - Self.coveredByteCount - CheckCode.byteCount)
    }
}

/// CHECKED (`docs/matchmaking.md` §7): it does, and this is where it came from. A veiled message of type 5.
public struct Checked: Equatable, Sendable, BitwiseCopyable {
    /// That of the check.
    public var transaction: TransactionID
    /// The address that the check came from.
    public var observed: Endpoint
    /// The head of the HMAC over all before it.
    public var code: CheckCode

    /// The type of the veiled message.
    public static let type: UInt8 = 5
    /// The largest size, in bytes.
    public static let maximumByteCount =
        2 + TransactionID.byteCount + Endpoint.v6MatchByteCount + CheckCode.byteCount

    /// An answer with these fields.
    public init(transaction: TransactionID, observed: Endpoint, code: CheckCode = .zero) {
        self.transaction = transaction
        self.observed = observed
        self.code = code
    }

    /// Reads a whole message. Bytes after the fields are ignored.
    public init(reading message: RawSpan) throws(MatchDecodeError) {
        var reader = try Check.readHead(message, type: Self.type)
        do {
            transaction = try TransactionID(reading: &reader)
            observed = try Endpoint(reading: &reader, mask: .none)
            code = try CheckCode(reading: &reader)
        } catch { throw .malformed }
    }

    /// The bytes that the code covers: type, version and all fields but the code.
    public var coveredByteCount: Int { 2 + TransactionID.byteCount + observed.matchByteCount }

    /// Appends what the code covers.
    @_lifetime(output: copy output)
    public func writeCovered(to output: inout OutputRawSpan) {
        output.write(Self.type)
        output.write(MatchMessage.version)
        transaction.write(to: &output)
        observed.write(to: &output, mask: .none)
    }

    /// Appends the whole message.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        writeCovered(to: &output)
        code.write(to: &output)
    }
}
