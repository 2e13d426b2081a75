/// The variable-length integer of RFC 9000 §16: 1, 2, 4 or 8 bytes, values up to 2^62-1.
public enum VarInt {
    /// The largest value that can be written.
    public static let maximum: UInt64 = (1 << 62) - 1

    /// The number of bytes of the shortest encoding of `value`, which must not exceed `maximum`.
    @inlinable
    public static func byteCount(_ value: UInt64) -> Int {
        if value < 1 << 6 { return 1 }
        if value < 1 << 14 { return 2 }
        if value < 1 << 30 { return 4 }
        return 8
    }
}
