/// The 8 bytes at the head of every session datagram (`docs/wire-format.md` §1): chosen by the receiver, so that it
/// finds the session whatever address the datagram came from. The first byte names the receiver's event loop.
public struct ConnectionID: Hashable, Sendable, BitwiseCopyable {
    /// The eight bytes, big-endian.
    public var rawValue: UInt64

    /// The length on the wire.
    public static let byteCount = 8

    /// The id with these eight bytes.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// An id for the event loop `shard`, its other seven bytes from `random`.
    public init(shard: UInt8, random: UInt64) {
        rawValue = UInt64(shard) &<< 56 | random & 0x00ff_ffff_ffff_ffff
    }

    /// The event loop that owns the session.
    public var shard: UInt8 { UInt8(truncatingIfNeeded: rawValue &>> 56) }
}

extension ConnectionID: CustomStringConvertible {
    /// Sixteen hexadecimal digits.
    public var description: String {
        let digits = String(rawValue, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
