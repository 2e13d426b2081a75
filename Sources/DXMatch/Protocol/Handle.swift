public import DXWire

/// What a registration is called after it was made (`docs/matchmaking.md` §4.1): random, given out by the matchmaker.
public struct Handle: Hashable, Sendable, BitwiseCopyable {
    /// The eight bytes, big-endian.
    public let rawValue: UInt64

    /// The length on the wire.
    public static let byteCount = 8

    /// The handle of these bytes.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Reads eight bytes.
    public init(reading reader: inout ByteReader) throws(DecodeError) { rawValue = try reader.readUInt64() }
}

extension Handle: CustomStringConvertible {
    /// Sixteen hexadecimal digits.
    public var description: String {
        let digits = String(rawValue, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
