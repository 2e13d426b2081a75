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
        write(.stunRequest, request, to: &output)
        output.writeZeros(max(0, requestByteCount - headByteCount - request.byteCount))
    }

    /// Appends a whole message with an answer. One above `maximumSTUN` is a programming error and traps.
    @_lifetime(output: copy output)
    public static func write(answer: RawSpan, to output: inout OutputRawSpan) {
        write(.stunAnswer, answer, to: &output)
    }

    @_lifetime(output: copy output)
    private static func write(_ kind: MatchMessage.Kind, _ stun: RawSpan, to output: inout OutputRawSpan) {
        precondition(stun.byteCount <= maximumSTUN, "it fits its message")
        MatchMessage.writeHead(kind, to: &output)
        output.write(UInt16(stun.byteCount))
        output.write(stun)
    }
}
