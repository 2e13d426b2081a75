public import DXWire

/// STUN under the matchmaker's veil (`docs/matchmaking.md` §2, §5): how gateways learn what their NATs do from a matchmaker that says
/// nothing to strangers.
public struct VeiledSTUN: Equatable, Sendable, BitwiseCopyable {
    /// Where the STUN message lies.
    public var message: PacketSlice

    /// The bytes before the STUN message.
    public static let headByteCount = MatchMessage.headByteCount + 2
    /// The least size of a request: that of any answer of `STUNServer`, FINGERPRINT (8 bytes) included, so that no answer is longer.
    public static let requestByteCount = headByteCount + STUNMessage.headByteCount + STUNServer.maximumGrowth + 8
    /// The largest STUN message.
    public static let maximumSTUN = MatchConstants.maximumMessage - headByteCount

    /// Reads the fields behind type and version.
    init(reading reader: inout ByteReader) throws(DecodeError) {
        message = try reader.readCounted(maximum: Self.maximumSTUN)
    }

    /// Appends a whole message with a Binding request, padded to `requestByteCount`. One above `maximumSTUN` is a programming error
    /// and traps.
    @_lifetime(output: copy output)
    public static func write(request: RawSpan, to output: inout OutputRawSpan) {
        precondition(request.byteCount <= maximumSTUN, "a request fits its message")
        MatchMessage.writeHead(.stunRequest, to: &output)
        output.write(UInt16(request.byteCount))
        output.write(request)
        output.writeZeros(max(0, requestByteCount - headByteCount - request.byteCount))
    }

    /// Appends a whole message with an answer. One above `maximumSTUN` is a programming error and traps.
    @_lifetime(output: copy output)
    public static func write(answer: RawSpan, to output: inout OutputRawSpan) {
        precondition(answer.byteCount <= maximumSTUN, "an answer fits its message")
        MatchMessage.writeHead(.stunAnswer, to: &output)
        output.write(UInt16(answer.byteCount))
        output.write(answer)
    }
}
