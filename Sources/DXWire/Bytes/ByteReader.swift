/// A cursor over received bytes. Every read is checked: it moves the cursor and returns a value, or throws
/// `DecodeError.truncated` and leaves the cursor where it was. Reading never traps, whatever the bytes.
public struct ByteReader: ~Escapable {
    /// All the bytes, read or not.
    public let bytes: RawSpan
    /// The number of bytes already read.
    public private(set) var position: Int

    /// A cursor at the start of `bytes`.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) {
        self.bytes = bytes
        self.position = 0
    }

    /// A cursor over `bytes` at `position`, which must lie within them or at their end (a programming error: traps).
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan, at position: Int) {
        precondition(position >= 0 && position <= bytes.byteCount, "a cursor starts within its bytes")
        self.bytes = bytes
        self.position = position
    }

    /// The number of bytes left.
    public var remaining: Int { bytes.byteCount &- position }

    /// The next byte.
    public mutating func readUInt8() throws(DecodeError) -> UInt8 {
        guard remaining >= 1 else { throw .truncated }
        let value = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: position, as: UInt8.self)
        position &+= 1
        return value
    }

    /// The next byte, left unread.
    public func peekUInt8() throws(DecodeError) -> UInt8 {
        guard remaining >= 1 else { throw .truncated }
        return unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: position, as: UInt8.self)
    }

    /// The next two bytes as a big-endian integer.
    public mutating func readUInt16() throws(DecodeError) -> UInt16 {
        guard remaining >= 2 else { throw .truncated }
        let value = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: position, as: UInt16.self)
        position &+= 2
        return UInt16(bigEndian: value)
    }

    /// The next four bytes as a big-endian integer.
    public mutating func readUInt32() throws(DecodeError) -> UInt32 {
        guard remaining >= 4 else { throw .truncated }
        let value = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: position, as: UInt32.self)
        position &+= 4
        return UInt32(bigEndian: value)
    }

    /// The next eight bytes as a big-endian integer.
    public mutating func readUInt64() throws(DecodeError) -> UInt64 {
        guard remaining >= 8 else { throw .truncated }
        let value = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: position, as: UInt64.self)
        position &+= 8
        return UInt64(bigEndian: value)
    }

    /// The next `byteCount` (0 to 8) bytes as a big-endian integer.
    public mutating func readInteger(byteCount: Int) throws(DecodeError) -> UInt64 {
        precondition(byteCount >= 0 && byteCount <= 8, "an integer has at most 8 bytes")
        guard remaining >= byteCount else { throw .truncated }
        var value: UInt64 = 0
        for index in 0..<byteCount {
            let byte = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: position &+ index, as: UInt8.self)
            value = value &<< 8 | UInt64(byte)
        }
        position &+= byteCount
        return value
    }

    /// The next variable-length integer (RFC 9000 §16), shortest form or not.
    public mutating func readVarInt() throws(DecodeError) -> UInt64 {
        let first = try peekUInt8()
        switch first &>> 6 {
        case 0:
            position &+= 1
            return UInt64(first)
        case 1: return UInt64(try readUInt16() & 0x3fff)
        case 2: return UInt64(try readUInt32() & 0x3fff_ffff)
        default: return try readUInt64() & VarInt.maximum
        }
    }

    /// A variable-length integer that counts bytes which must follow it; the cursor is left before those bytes.
    public mutating func readLength() throws(DecodeError) -> Int {
        let start = position
        let length = try readVarInt()
        guard length <= UInt64(remaining) else {
            position = start
            throw .truncated
        }
        return Int(length)
    }

    /// The next `count` bytes, in place. A negative count is a programming error and traps.
    @_lifetime(copy self)
    public mutating func readBytes(_ count: Int) throws(DecodeError) -> RawSpan {
        precondition(count >= 0, "a count of bytes is not negative")
        guard remaining >= count else { throw .truncated }
        let span = bytes.extracting(position..<(position &+ count))
        position &+= count
        return span
    }

    /// Moves the cursor over `count` bytes. A negative count is a programming error and traps.
    public mutating func skip(_ count: Int) throws(DecodeError) {
        precondition(count >= 0, "a count of bytes is not negative")
        guard remaining >= count else { throw .truncated }
        position &+= count
    }
}
