/// Big-endian writing into a span of memory that somebody else owns.
///
/// Writing past the capacity is a programming error and traps: whoever builds a packet asks for the room first
/// (`freeCapacity`). Nothing here allocates.
extension OutputRawSpan {
    /// Appends one byte.
    @_lifetime(self: copy self)
    @inlinable
    public mutating func write(_ value: UInt8) { append(value) }

    /// Appends two bytes, big-endian.
    @_lifetime(self: copy self)
    @inlinable
    public mutating func write(_ value: UInt16) { unsafe append(value.bigEndian, as: UInt16.self) }

    /// Appends four bytes, big-endian.
    @_lifetime(self: copy self)
    @inlinable
    public mutating func write(_ value: UInt32) { unsafe append(value.bigEndian, as: UInt32.self) }

    /// Appends eight bytes, big-endian.
    @_lifetime(self: copy self)
    @inlinable
    public mutating func write(_ value: UInt64) { unsafe append(value.bigEndian, as: UInt64.self) }

    /// Appends the low `byteCount` (0 to 8) bytes of `value`, big-endian.
    @_lifetime(self: copy self)
    @inlinable
    public mutating func writeInteger(_ value: UInt64, byteCount: Int) {
        precondition(byteCount >= 0 && byteCount <= 8, "an integer has at most 8 bytes")
        var shift = 8 &* (byteCount &- 1)
        while shift >= 0 {
            append(UInt8(truncatingIfNeeded: value &>> UInt64(shift)))
            shift &-= 8
        }
    }

    /// Appends a variable-length integer in its shortest form. `value` must not exceed `VarInt.maximum`.
    @_lifetime(self: copy self)
    @inlinable
    public mutating func writeVarInt(_ value: UInt64) {
        switch VarInt.byteCount(value) {
        case 1: append(UInt8(truncatingIfNeeded: value))
        case 2: write(UInt16(truncatingIfNeeded: value) | 0x4000)
        case 4: write(UInt32(truncatingIfNeeded: value) | 0x8000_0000)
        default:
            precondition(value <= VarInt.maximum, "a varint is at most 2^62-1")
            write(value | 0xc000_0000_0000_0000)
        }
    }

    /// Appends all of `bytes`.
    @_lifetime(self: copy self)
    @inlinable
    public mutating func write(_ bytes: RawSpan) {
        let count = bytes.byteCount
        precondition(count <= freeCapacity, "the room was asked for before writing")
        guard count > 0 else { return }
        unsafe bytes.withUnsafeBytes { source in
            unsafe self.withUnsafeMutableBytes { destination, initialized in
                unsafe destination.baseAddress!.advanced(by: initialized)
                    .copyMemory(from: source.baseAddress!, byteCount: count)
                initialized &+= count
            }
        }
    }

    /// Appends `count` zero bytes.
    @_lifetime(self: copy self)
    @inlinable
    public mutating func writeZeros(_ count: Int) {
        unsafe append(repeating: 0, count: count, as: UInt8.self)
    }
}
