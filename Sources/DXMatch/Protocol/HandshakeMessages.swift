public import DXWire

/// COOKIE (`docs/matchmaking.md` §2): what a FLIGHT from the same address must carry.
public struct CookieMessage: Equatable, Sendable, BitwiseCopyable {
    /// That of the COOKIE_WANTED.
    public var attempt: MatchAttempt
    /// To be sent back.
    public var cookie: Block32

    /// The size of the message, in bytes.
    public static let byteCount = MatchMessage.headByteCount + MatchAttempt.byteCount + Block32.byteCount

    /// A message with these fields.
    public init(attempt: MatchAttempt, cookie: Block32) {
        self.attempt = attempt
        self.cookie = cookie
    }

    /// Reads the fields behind type and version.
    init(reading reader: inout ByteReader) throws(DecodeError) {
        attempt = try MatchAttempt(reading: &reader)
        cookie = try Block32(reading: &reader)
    }

    /// Appends the whole message.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        MatchMessage.writeHead(.cookie, to: &output)
        attempt.write(to: &output)
        cookie.write(to: &output)
    }
}

/// FLIGHT to the matchmaker (`docs/matchmaking.md` §2): always as large as a message can be, so that the matchmaker's own flight
/// is never longer.
public struct ClientFlight: Equatable, Sendable, BitwiseCopyable {
    /// The handshake.
    public var attempt: MatchAttempt
    /// From the COOKIE.
    public var cookie: Block32
    /// Where the DTLS datagram lies in the message.
    public var datagram: PacketSlice

    /// The bytes before the DTLS datagram.
    public static let headByteCount = CookieMessage.byteCount + 2
    /// The largest DTLS datagram.
    public static let maximumDatagram = MatchConstants.maximumMessage - headByteCount

    /// Reads the fields behind type and version.
    init(reading reader: inout ByteReader) throws(DecodeError) {
        guard reader.bytes.byteCount == MatchConstants.maximumMessage else { throw .truncated }
        attempt = try MatchAttempt(reading: &reader)
        cookie = try Block32(reading: &reader)
        datagram = try reader.readCounted(maximum: Self.maximumDatagram)
    }

    /// Appends a whole message, padded. A datagram above `maximumDatagram` is a programming error and traps.
    @_lifetime(output: copy output)
    public static func write(
        attempt: MatchAttempt, cookie: Block32, datagram: RawSpan, to output: inout OutputRawSpan
    ) {
        precondition(datagram.byteCount <= maximumDatagram, "a flight fits its message")
        MatchMessage.writeHead(.clientFlight, to: &output)
        attempt.write(to: &output)
        cookie.write(to: &output)
        output.write(UInt16(datagram.byteCount))
        output.write(datagram)
        output.writeZeros(maximumDatagram - datagram.byteCount)
    }
}

/// FLIGHT from the matchmaker (`docs/matchmaking.md` §2).
public struct ServerFlight: Equatable, Sendable, BitwiseCopyable {
    /// The handshake.
    public var attempt: MatchAttempt
    /// Where the DTLS datagram lies in the message.
    public var datagram: PacketSlice

    /// The bytes before the DTLS datagram.
    public static let headByteCount = MatchMessage.headByteCount + MatchAttempt.byteCount + 2
    /// The largest DTLS datagram.
    public static let maximumDatagram = MatchConstants.maximumMessage - headByteCount

    /// Reads the fields behind type and version.
    init(reading reader: inout ByteReader) throws(DecodeError) {
        attempt = try MatchAttempt(reading: &reader)
        datagram = try reader.readCounted(maximum: Self.maximumDatagram)
    }

    /// Appends a whole message. A datagram above `maximumDatagram` is a programming error and traps.
    @_lifetime(output: copy output)
    public static func write(attempt: MatchAttempt, datagram: RawSpan, to output: inout OutputRawSpan) {
        precondition(datagram.byteCount <= maximumDatagram, "a flight fits its message")
        MatchMessage.writeHead(.serverFlight, to: &output)
        attempt.write(to: &output)
        output.write(UInt16(datagram.byteCount))
        output.write(datagram)
    }
}
