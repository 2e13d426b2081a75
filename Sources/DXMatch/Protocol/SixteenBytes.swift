public import DXWire

/// A name or a code of 16 opaque bytes. Each kind of them is a type of its own, so that one is not taken for another.
///
/// `==` stops at the first difference; use `isEqualInConstantTime(to:)` where a stranger's guess is compared.
public protocol SixteenBytes: Hashable, Comparable, Sendable, BitwiseCopyable, CustomStringConvertible {
    /// The first eight bytes, big-endian.
    var high: UInt64 { get }
    /// The last eight bytes, big-endian.
    var low: UInt64 { get }
    /// The value of these bytes.
    init(high: UInt64, low: UInt64)
}

extension SixteenBytes {
    /// The length on the wire.
    public static var byteCount: Int { 16 }

    /// Sixteen zero bytes: "none" where the wire format says so.
    public static var zero: Self { Self(high: 0, low: 0) }

    /// Reads 16 bytes.
    public init(reading reader: inout ByteReader) throws(DecodeError) {
        let high = try reader.readUInt64()
        self.init(high: high, low: try reader.readUInt64())
    }

    /// The head of a hash.
    public init(headOf hash: Block32) { self.init(high: hash.word0, low: hash.word1) }

    /// Appends the 16 bytes.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        output.write(high)
        output.write(low)
    }

    /// Compares all bytes whatever the first difference.
    public func isEqualInConstantTime(to other: Self) -> Bool { (high ^ other.high) | (low ^ other.low) == 0 }

    /// Orders by bytes.
    public static func < (left: Self, right: Self) -> Bool {
        left.high != right.high ? left.high < right.high : left.low < right.low
    }

    /// 32 hexadecimal digits.
    public var description: String {
        [high, low].map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}

/// What a group is known by at one matchmaker in one epoch (`docs/matchmaking.md` §1).
public struct GroupTag: SixteenBytes {
    /// The first eight bytes.
    public let high: UInt64
    /// The last eight bytes.
    public let low: UInt64
    /// The tag of these bytes.
    public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}

/// What a member is known by at one matchmaker in one epoch: the head of the SHA-256 of its member key
/// (`docs/matchmaking.md` §1).
public struct MemberTag: SixteenBytes {
    /// The first eight bytes.
    public let high: UInt64
    /// The last eight bytes.
    public let low: UInt64
    /// The tag of these bytes.
    public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}

/// The head of the SHA-256 of a match key's public point, as tickets carry it (`docs/matchmaking.md` §3). Zero is that of a
/// ticket that was asked for without a match key.
public struct MatchKeyHash: SixteenBytes {
    /// The first eight bytes.
    public let high: UInt64
    /// The last eight bytes.
    public let low: UInt64
    /// The hash of these bytes.
    public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}

/// What one handshake with a matchmaker is known by (`docs/matchmaking.md` §2): chosen at random by the client.
public struct MatchAttempt: SixteenBytes {
    /// The first eight bytes.
    public let high: UInt64
    /// The last eight bytes.
    public let low: UInt64
    /// The attempt of these bytes.
    public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}

/// The tag of AES-SIV, which is its nonce too (RFC 5297).
public struct SyntheticIV: SixteenBytes {
    /// The first eight bytes.
    public let high: UInt64
    /// The last eight bytes.
    public let low: UInt64
    /// The tag of these bytes.
    public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}

/// What shows that somebody hears what is sent to an address (`docs/matchmaking.md` §4.1). Zero is that of a first REGISTER.
public struct AddressProof: SixteenBytes {
    /// The first eight bytes.
    public let high: UInt64
    /// The last eight bytes.
    public let low: UInt64
    /// The proof of these bytes.
    public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}

/// The code at the end of CHECK and CHECKED (`docs/matchmaking.md` §7).
public struct CheckCode: SixteenBytes {
    /// The first eight bytes.
    public let high: UInt64
    /// The last eight bytes.
    public let low: UInt64
    /// The code of these bytes.
    public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}

/// The key of a registration's REFRESH and notices (`docs/matchmaking.md` §4.1). A secret.
public struct HandleKey: SixteenBytes {
    /// The first eight bytes.
    public let high: UInt64
    /// The last eight bytes.
    public let low: UInt64
    /// The key of these bytes.
    public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
    /// Nothing of it: it is a secret.
    public var description: String { "(secret)" }
}
