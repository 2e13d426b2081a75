public import DXWire

/// The 12 random bytes at the head of a veiled datagram (`docs/wire-format.md` §3).
public struct VeilNonce: Hashable, Sendable, BitwiseCopyable {
    private let high: UInt64
    private let low: UInt32

    /// The length on the wire.
    public static let byteCount = 12

    /// Reads 12 bytes.
    public init(reading reader: inout ByteReader) throws(DecodeError) {
        high = try reader.readUInt64()
        low = try reader.readUInt32()
    }

    /// The nonce of these bits.
    init(high: UInt64, low: UInt32) {
        self.high = high
        self.low = low
    }

    /// A new one.
    static func random() -> VeilNonce {
        VeilNonce(high: SecureRandom.next(), low: UInt32(truncatingIfNeeded: SecureRandom.next()))
    }

    /// Appends the 12 bytes.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        output.write(high)
        output.write(low)
    }
}
