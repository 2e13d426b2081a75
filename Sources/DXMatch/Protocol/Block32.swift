public import DXWire

/// 32 opaque bytes as one trivial value: a cookie, a hash, a key, half a signature.
///
/// `==` stops at the first difference; use `isEqualInConstantTime(to:)` where the value is a secret's.
public struct Block32: Hashable, Sendable, BitwiseCopyable {
    /// The first eight bytes, big-endian.
    let word0: UInt64
    /// The eight bytes after them.
    let word1: UInt64
    /// The eight bytes after those.
    let word2: UInt64
    /// The last eight bytes.
    let word3: UInt64

    /// The length on the wire.
    public static let byteCount = 32

    /// 32 zero bytes.
    public static let zero = Block32(0, 0, 0, 0)

    /// The value of four big-endian words, first bytes first.
    public init(_ word0: UInt64, _ word1: UInt64, _ word2: UInt64, _ word3: UInt64) {
        (self.word0, self.word1, self.word2, self.word3) = (word0, word1, word2, word3)
    }

    /// Reads 32 bytes.
    public init(reading reader: inout ByteReader) throws(DecodeError) {
        word0 = try reader.readUInt64()
        word1 = try reader.readUInt64()
        word2 = try reader.readUInt64()
        word3 = try reader.readUInt64()
    }

    /// Appends the 32 bytes.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        output.write(word0)
        output.write(word1)
        output.write(word2)
        output.write(word3)
    }

    /// Compares all bytes whatever the first difference.
    public func isEqualInConstantTime(to other: Block32) -> Bool {
        (word0 ^ other.word0) | (word1 ^ other.word1) | (word2 ^ other.word2) | (word3 ^ other.word3) == 0
    }

    /// The 32 bytes.
    public var bytes: [UInt8] {
        [word0, word1, word2, word3].flatMap { word in
            stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word &>> UInt64($0)) }
        }
    }
}
