import DXWire

/// ADMIT (`docs/matchmaking.md` §4.4): a member asks that those who have another match key are served for a while.
public struct AdmitRequest: Equatable, Sendable, BitwiseCopyable {
    /// The sender's registration.
    public var handle: Handle
    /// The public half of the match key that is to be served.
    public var guestKey: PublicPoint
    /// How long, in seconds; brought into its range by the matchmaker.
    public var lifetime: UInt16

    /// The size of the body, in bytes: more than its answer has.
    public static let byteCount = 1 + Handle.byteCount + PublicPoint.byteCount + 2

    /// A request with these fields.
    public init(handle: Handle, guestKey: PublicPoint, lifetime: UInt16) {
        self.handle = handle
        self.guestKey = guestKey
        self.lifetime = lifetime
    }

    /// Reads the fields behind the kind.
    init(reading reader: inout ByteReader) throws(DecodeError) {
        handle = try Handle(reading: &reader)
        guestKey = try PublicPoint(reading: &reader)
        lifetime = try reader.readUInt16()
    }

    /// Appends the body.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        output.write(MatchRequest.Kind.admit.rawValue)
        output.write(handle.rawValue)
        guestKey.write(to: &output)
        output.write(lifetime)
    }
}
