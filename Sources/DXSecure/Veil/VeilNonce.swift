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

    /// All but the last two bytes.
    var head: [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: high &>> UInt64(56 - 8 * $0)) }
            + [UInt8(truncatingIfNeeded: low &>> 24), UInt8(truncatingIfNeeded: low &>> 16)]
    }

    /// The last two bytes.
    var tail: UInt16 { UInt16(truncatingIfNeeded: low) }

    /// The same with other last two bytes.
    func withTail(_ tail: UInt16) -> VeilNonce { VeilNonce(high: high, low: low & 0xffff_0000 | UInt32(tail)) }

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
