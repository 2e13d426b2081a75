public import DXWire

/// What a check (`docs/matchmaking.md` §7) or a STUN request (RFC 8489 §5) is known by: 12 random bytes.
public struct TransactionID: Hashable, Sendable, BitwiseCopyable {
    /// The first eight bytes, big-endian.
    public let high: UInt64
    /// The last four bytes, big-endian.
    public let low: UInt32

    /// The length on the wire.
    public static let byteCount = 12

    /// The id of these bytes.
    public init(high: UInt64, low: UInt32) {
        self.high = high
        self.low = low
    }

    /// An id from a source of chance.
    public init(random: inout RandomSource) {
        high = random.next()
        low = UInt32(truncatingIfNeeded: random.next())
    }

    /// Reads 12 bytes.
    public init(reading reader: inout ByteReader) throws(DecodeError) {
        high = try reader.readUInt64()
        low = try reader.readUInt32()
    }

    /// Appends the 12 bytes.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        output.write(high)
        output.write(low)
    }
}
