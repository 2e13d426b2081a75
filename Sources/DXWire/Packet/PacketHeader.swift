/// The head of a transport packet (`docs/wire-format.md` §5).
///
/// ```
///  0        1               1+v                    1+v+n
/// +--------+---------------+----------------------+---------
/// | 010000LL | path id varint | packet number (n)  | frames
/// +--------+---------------+----------------------+---------
/// ```
public struct PacketHeader: Equatable, Sendable, BitwiseCopyable {
    /// The session that carries the packet.
    public var pathID: PathID
    /// The low bytes of the packet number, as on the wire.
    public var truncatedNumber: UInt64
    /// The number of bytes of the packet number on the wire, 1 to 4.
    public var numberByteCount: Int

    /// The first byte of a packet, without the two bits that give the length of its number.
    public static let form: UInt8 = 0x40
    /// The largest header: first byte, path id, 4 bytes of number. Path ids in practice take 1 or 2 bytes.
    public static let maximumByteCount = 1 + 8 + 4

    /// A header to be written: `number` is cut to as many bytes as the receiver needs, given that it has acknowledged
    /// `largestAcknowledged` (nil: nothing yet). RFC 9000 §17.1.
    public init(pathID: PathID, number: UInt64, largestAcknowledged: UInt64?) {
        self.pathID = pathID
        numberByteCount = Self.byteCount(number: number, largestAcknowledged: largestAcknowledged)
        truncatedNumber = number & (UInt64.max &>> UInt64(64 &- 8 &* numberByteCount))
    }

    /// Reads a header; throws `notAPacket` when the first byte is another kind's.
    public init(reading reader: inout ByteReader) throws(DecodeError) {
        let first = try reader.readUInt8()
        guard first & 0xfc == Self.form else { throw .notAPacket }
        numberByteCount = Int(first & 3) + 1
        pathID = PathID(rawValue: try reader.readVarInt())
        guard pathID <= .maximum else { throw .invalidValue }
        truncatedNumber = try reader.readInteger(byteCount: numberByteCount)
    }

    /// The number of bytes this header takes on the wire.
    public var byteCount: Int { 1 &+ VarInt.byteCount(pathID.rawValue) &+ numberByteCount }

    /// The whole packet number, the one nearest to what is expected next (RFC 9000 appendix A.3); at most 2^62-1.
    ///
    /// - Parameter largestReceived: the largest number received on this path; nil before the first.
    public func number(largestReceived: UInt64?) -> UInt64 {
        let expected = largestReceived.map { $0 &+ 1 } ?? 0
        let window: UInt64 = 1 &<< UInt64(8 &* numberByteCount)
        let half = window / 2
        let candidate = expected & ~(window &- 1) | truncatedNumber
        if candidate &+ half <= expected && candidate < (1 &<< 62) &- window { return candidate &+ window }
        if candidate > expected &+ half && candidate >= window { return candidate &- window }
        // Only after the very last number: nothing is expected next, and no result may be one that cannot be written.
        return candidate > VarInt.maximum ? candidate &- window : candidate
    }

    /// How many bytes of `number` (1 to 4) the receiver needs: twice the distance to what it has acknowledged must fit.
    static func byteCount(number: UInt64, largestAcknowledged: UInt64?) -> Int {
        let unacknowledged = largestAcknowledged.map { number &- $0 } ?? number &+ 1
        if unacknowledged < 1 &<< 7 { return 1 }
        if unacknowledged < 1 &<< 15 { return 2 }
        if unacknowledged < 1 &<< 23 { return 3 }
        return 4
    }
}

extension OutputRawSpan {
    /// Appends a packet header.
    @_lifetime(self: copy self)
    public mutating func write(_ header: PacketHeader) {
        write(PacketHeader.form | UInt8(truncatingIfNeeded: header.numberByteCount &- 1))
        writeVarInt(header.pathID.rawValue)
        writeInteger(header.truncatedNumber, byteCount: header.numberByteCount)
    }
}
