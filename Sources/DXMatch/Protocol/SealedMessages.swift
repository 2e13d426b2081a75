public import DXWire

/// REQUEST (`docs/matchmaking.md` §2, §4).
public struct RequestMessage: Equatable, Sendable, BitwiseCopyable {
    /// The sender's ticket.
    public var ticket: Ticket
    /// The sender's count of requests, rising.
    public var sequence: UInt64
    /// The tag of the seal.
    public var syntheticIV: SyntheticIV
    /// Where the sealed body lies in the message.
    public var sealed: PacketSlice

    /// The bytes at the start of the message that the seal covers as additional data: type, version, ticket, sequence.
    public static let associatedByteCount = MatchMessage.headByteCount + Ticket.byteCount + 8
    /// The bytes before the sealed body.
    public static let headByteCount = associatedByteCount + SyntheticIV.byteCount
    /// The largest body.
    public static let maximumBody = MatchConstants.maximumMessage - headByteCount

    /// Reads the fields behind type and version.
    init(reading reader: inout ByteReader) throws(DecodeError) {
        ticket = try Ticket(reading: &reader)
        sequence = try reader.readUInt64()
        syntheticIV = try SyntheticIV(reading: &reader)
        sealed = reader.readRest()
    }

    /// Appends the additional data of the seal, with which the message begins.
    @_lifetime(output: copy output)
    public static func writeAssociated(ticket: Ticket, sequence: UInt64, to output: inout OutputRawSpan) {
        MatchMessage.writeHead(.request, to: &output)
        ticket.write(to: &output)
        output.write(sequence)
    }
}

/// ANSWER (`docs/matchmaking.md` §2, §4).
public struct AnswerMessage: Equatable, Sendable, BitwiseCopyable {
    /// That of the request.
    public var sequence: UInt64
    /// The tag of the seal.
    public var syntheticIV: SyntheticIV
    /// Where the sealed body lies in the message.
    public var sealed: PacketSlice

    /// The bytes at the start of the message that the seal covers as additional data: type, version, sequence.
    public static let associatedByteCount = MatchMessage.headByteCount + 8
    /// The bytes before the sealed body.
    public static let headByteCount = associatedByteCount + SyntheticIV.byteCount
    /// The largest body.
    public static let maximumBody = MatchConstants.maximumMessage - headByteCount

    /// Reads the fields behind type and version.
    init(reading reader: inout ByteReader) throws(DecodeError) {
        sequence = try reader.readUInt64()
        syntheticIV = try SyntheticIV(reading: &reader)
        sealed = reader.readRest()
    }

    /// The largest body of an answer to a request whose body has `requestBody` bytes: an answer is never longer than what it
    /// answers.
    public static func maximumBody(requestBody: Int) -> Int {
        min(maximumBody, max(0, requestBody) + RequestMessage.headByteCount - headByteCount)
    }

    /// The size to which a request's body must be padded so that an answer's body of `byteCount` bytes fits.
    public static func requestBody(toHear byteCount: Int) -> Int {
        max(0, byteCount + headByteCount - RequestMessage.headByteCount)
    }

    /// Appends the additional data of the seal, with which the message begins.
    @_lifetime(output: copy output)
    public static func writeAssociated(sequence: UInt64, to output: inout OutputRawSpan) {
        MatchMessage.writeHead(.answer, to: &output)
        output.write(sequence)
    }
}

/// NOTICE (`docs/matchmaking.md` §2, §4.2).
public struct NoticeMessage: Equatable, Sendable, BitwiseCopyable {
    /// The registration of whom it is for.
    public var handle: Handle
    /// The matchmaker's count of notices to that registration, from 1.
    public var number: UInt32
    /// The tag of the seal.
    public var syntheticIV: SyntheticIV
    /// Where the sealed body lies in the message.
    public var sealed: PacketSlice

    /// The bytes at the start of the message that the seal covers as additional data: type, version, handle, number.
    public static let associatedByteCount = MatchMessage.headByteCount + Handle.byteCount + 4
    /// The bytes before the sealed body.
    public static let headByteCount = associatedByteCount + SyntheticIV.byteCount

    /// Reads the fields behind type and version.
    init(reading reader: inout ByteReader) throws(DecodeError) {
        handle = try Handle(reading: &reader)
        number = try reader.readUInt32()
        syntheticIV = try SyntheticIV(reading: &reader)
        sealed = reader.readRest()
    }

    /// Appends the additional data of the seal, with which the message begins.
    @_lifetime(output: copy output)
    public static func writeAssociated(handle: Handle, number: UInt32, to output: inout OutputRawSpan) {
        MatchMessage.writeHead(.notice, to: &output)
        output.write(handle.rawValue)
        output.write(number)
    }
}
