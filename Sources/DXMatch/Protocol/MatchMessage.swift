import DXWire

/// A message to or from a matchmaker (`docs/matchmaking.md` §2), decoded. Trivial: what is sealed further stays where it lies
/// and is named by its place in the message.
public enum MatchMessage: Equatable, Sendable, BitwiseCopyable {
    /// 0x40.
    case cookieWanted(MatchAttempt)
    /// 0x41.
    case cookie(CookieMessage)
    /// 0x42.
    case clientFlight(ClientFlight)
    /// 0x43.
    case serverFlight(ServerFlight)
    /// 0x44.
    case request(RequestMessage)
    /// 0x45.
    case answer(AnswerMessage)
    /// 0x46.
    case refresh(RefreshMessage)
    /// 0x47.
    case refreshed(RefreshedMessage)
    /// 0x48.
    case notice(NoticeMessage)
    /// 0x49, with the sequence of the request whose ticket is not known.
    case ticketRefused(UInt64)
    /// 0x4a.
    case stunRequest(VeiledSTUN)
    /// 0x4b.
    case stunAnswer(VeiledSTUN)

    /// The first byte of each message.
    public enum Kind: UInt8, CaseIterable, Sendable, BitwiseCopyable {
        /// COOKIE_WANTED, to the matchmaker.
        case cookieWanted = 0x40
        /// COOKIE, from it.
        case cookie = 0x41
        /// FLIGHT, to it.
        case clientFlight = 0x42
        /// FLIGHT, from it.
        case serverFlight = 0x43
        /// REQUEST, to it.
        case request = 0x44
        /// ANSWER, from it.
        case answer = 0x45
        /// REFRESH, to it.
        case refresh = 0x46
        /// REFRESHED, from it.
        case refreshed = 0x47
        /// NOTICE, from it.
        case notice = 0x48
        /// TICKET_REFUSED, from it.
        case ticketRefused = 0x49
        /// STUN, to the matchmaker.
        case stunRequest = 0x4a
        /// STUN, from it.
        case stunAnswer = 0x4b
    }

    /// The version of all messages.
    public static let version: UInt8 = 1
    /// The size of type and version, in bytes.
    public static let headByteCount = 2

    /// Which message it is.
    public var kind: Kind {
        switch self {
        case .cookieWanted: .cookieWanted
        case .cookie: .cookie
        case .clientFlight: .clientFlight
        case .serverFlight: .serverFlight
        case .request: .request
        case .answer: .answer
        case .refresh: .refresh
        case .refreshed: .refreshed
        case .notice: .notice
        case .ticketRefused: .ticketRefused
        case .stunRequest: .stunRequest
        case .stunAnswer: .stunAnswer
        }
    }

    /// Reads a whole message. Total: any bytes give a message or a `MatchDecodeError`. The direction is not looked at: the key
    /// under which the datagram opened says it.
    public init(reading message: RawSpan) throws(MatchDecodeError) {
        var reader = ByteReader(message)
        guard let type = try? reader.readUInt8(), let version = try? reader.readUInt8(),
            message.byteCount <= MatchConstants.maximumMessage
        else { throw .malformed }
        // The type first: a type of a later version may have its own versions.
        guard let kind = Kind(rawValue: type) else { throw .unknownType }
        guard version == Self.version else { throw .unknownVersion }
        do { self = try Self.read(kind, &reader) } catch { throw .malformed }
    }

    private static func read(_ kind: Kind, _ reader: inout ByteReader) throws(DecodeError) -> MatchMessage {
        switch kind {
        case .cookieWanted:
            guard reader.bytes.byteCount >= MatchConstants.minimumCookieWanted else { throw .truncated }
            return .cookieWanted(try MatchAttempt(reading: &reader))
        case .cookie: return .cookie(try CookieMessage(reading: &reader))
        case .clientFlight: return .clientFlight(try ClientFlight(reading: &reader))
        case .serverFlight: return .serverFlight(try ServerFlight(reading: &reader))
        case .request: return .request(try RequestMessage(reading: &reader))
        case .answer: return .answer(try AnswerMessage(reading: &reader))
        case .refresh: return .refresh(try RefreshMessage(reading: &reader))
        case .refreshed: return .refreshed(try RefreshedMessage(reading: &reader))
        case .notice: return .notice(try NoticeMessage(reading: &reader))
        case .ticketRefused: return .ticketRefused(try reader.readUInt64())
        case .stunRequest:
            guard reader.bytes.byteCount >= VeiledSTUN.requestByteCount else { throw .truncated }
            return .stunRequest(try VeiledSTUN(reading: &reader))
        case .stunAnswer: return .stunAnswer(try VeiledSTUN(reading: &reader))
        }
    }

    /// Appends type and version, with which each message begins.
    @_lifetime(output: copy output)
    public static func writeHead(_ kind: Kind, to output: inout OutputRawSpan) {
        output.write(kind.rawValue)
        output.write(version)
    }

    /// Appends a whole COOKIE_WANTED, padded: 50 bytes.
    @_lifetime(output: copy output)
    public static func writeCookieWanted(_ attempt: MatchAttempt, to output: inout OutputRawSpan) {
        writeHead(.cookieWanted, to: &output)
        attempt.write(to: &output)
        output.writeZeros(MatchConstants.minimumCookieWanted - headByteCount - MatchAttempt.byteCount)
    }

    /// Appends a whole TICKET_REFUSED: 10 bytes.
    @_lifetime(output: copy output)
    public static func writeTicketRefused(sequence: UInt64, to output: inout OutputRawSpan) {
        writeHead(.ticketRefused, to: &output)
        output.write(sequence)
    }
}

extension ByteReader {
    /// The rest of the bytes, named by their place.
    mutating func readRest() -> PacketSlice {
        let slice = PacketSlice(offset: position, count: remaining)
        // As many as there are: cannot fail.
        try? skip(remaining)
        return slice
    }

    /// Bytes behind a length of two bytes, named by their place; `invalidValue` when there are more than `maximum`.
    mutating func readCounted(maximum: Int) throws(DecodeError) -> PacketSlice {
        let count = Int(try readUInt16())
        guard count <= maximum else { throw .invalidValue }
        let slice = PacketSlice(offset: position, count: count)
        try skip(count)
        return slice
    }
}
