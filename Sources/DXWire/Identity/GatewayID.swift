/// A gateway's name on the network: the SHA-256 of its DER SubjectPublicKeyInfo (`docs/wire-format.md` §3).
///
/// Public, so comparison need not be constant-time where it only routes; trust decisions use
/// `isEqualInConstantTime(to:)`.
public struct GatewayID: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The 32 bytes, as four big-endian words, first bytes first.
    public var words: (UInt64, UInt64, UInt64, UInt64) { (word0, word1, word2, word3) }
    private let word0: UInt64
    private let word1: UInt64
    private let word2: UInt64
    private let word3: UInt64

    /// The length on the wire.
    public static let byteCount = 32
    /// The length as text: 52 characters carry 260 bits, the last four of them zero.
    public static let textCount = 52

    /// Reads the 32 bytes.
    public init(reading reader: inout ByteReader) throws(DecodeError) {
        word0 = try reader.readUInt64()
        word1 = try reader.readUInt64()
        word2 = try reader.readUInt64()
        word3 = try reader.readUInt64()
    }

    /// The id with these 32 bytes, or nil if there are not exactly 32.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        func word(_ index: Int) -> UInt64 { (0..<8).reduce(0) { $0 &<< 8 | UInt64(bytes[index * 8 + $1]) } }
        (word0, word1, word2, word3) = (word(0), word(1), word(2), word(3))
    }

    /// The id written as 52 characters of base32 (RFC 4648 §6), upper or lower case, unpadded; nil for anything else.
    public init?(text: String) {
        guard text.utf8.count == Self.textCount else { return nil }
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var bitCount = 0
        for character in text.utf8 {
            let value: UInt8
            switch character {
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = character - UInt8(ascii: "a")
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = character - UInt8(ascii: "A")
            case UInt8(ascii: "2")...UInt8(ascii: "7"): value = character - UInt8(ascii: "2") + 26
            default: return nil
            }
            bits = bits &<< 5 | UInt32(value)
            bitCount += 5
            if bitCount >= 8 {
                bitCount -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits &>> UInt32(bitCount)))
            }
        }
        guard bits & ((1 &<< UInt32(bitCount)) - 1) == 0 else { return nil }
        self.init(bytes)
    }

    /// The 32 bytes.
    public var bytes: [UInt8] {
        [word0, word1, word2, word3].flatMap { word in
            stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word &>> UInt64($0)) }
        }
    }

    /// 52 characters of lower-case unpadded base32 (RFC 4648 §6).
    public var text: String {
        let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)
        var result: [UInt8] = []
        var bits: UInt32 = 0
        var bitCount = 0
        for byte in bytes {
            bits = bits &<< 8 | UInt32(byte)
            bitCount += 8
            while bitCount >= 5 {
                bitCount -= 5
                result.append(alphabet[Int(bits &>> UInt32(bitCount) & 31)])
            }
        }
        if bitCount > 0 { result.append(alphabet[Int(bits &<< UInt32(5 - bitCount) & 31)]) }
        return String(decoding: result, as: UTF8.self)
    }

    /// Compares all bytes whatever the first difference, for decisions of trust.
    public func isEqualInConstantTime(to other: GatewayID) -> Bool {
        (word0 ^ other.word0) | (word1 ^ other.word1) | (word2 ^ other.word2) | (word3 ^ other.word3) == 0
    }

    /// The role of a gateway with this id in a channel with `peer`; nil when the two are the same.
    public func role(towards peer: GatewayID) -> ChannelRole? {
        if self == peer { return nil }
        return self < peer ? .lower : .upper
    }

    /// Orders by bytes.
    public static func < (left: GatewayID, right: GatewayID) -> Bool {
        if left.word0 != right.word0 { return left.word0 < right.word0 }
        if left.word1 != right.word1 { return left.word1 < right.word1 }
        if left.word2 != right.word2 { return left.word2 < right.word2 }
        return left.word3 < right.word3
    }
}

extension GatewayID: CustomStringConvertible {
    /// The text form.
    public var description: String { text }
}

extension OutputRawSpan {
    /// Appends the 32 bytes of a gateway id.
    @_lifetime(self: copy self)
    public mutating func write(_ id: GatewayID) {
        let words = id.words
        write(words.0)
        write(words.1)
        write(words.2)
        write(words.3)
    }
}
