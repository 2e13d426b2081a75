/// The head of a datagram that carries one fragment of a session record (`docs/wire-format.md` §2.2).
///
/// A record too large for a datagram is cut into fragments of equal size, the last one shorter, in the order of its bytes.
/// What is cut is the record's body: all that follows connection id and record number. Nothing here is authenticated; the
/// record is, when it is whole.
public struct FragmentHeader: Equatable, Sendable, BitwiseCopyable {
    /// The receiver's, as at the head of every session datagram.
    public var connectionID: ConnectionID
    /// The record's number: 40 bits.
    public var recordNumber: UInt64
    /// The fragment's place, from 0 to 63.
    public var index: Int
    /// Whether the record ends with it.
    public var isLast: Bool
    /// The bytes of the whole body, 1 to `maximumBody`.
    public var bodyByteCount: Int

    /// Its length on the wire.
    public static let byteCount = 16
    /// The bytes before the body of a record in one piece: connection id and record number.
    public static let recordHeadByteCount = 14
    /// The largest body: 16,384 bytes of plaintext (RFC 6347 §4.1), explicit nonce and tag.
    public static let maximumBody = 16_384 + 8 + 16
    /// The most fragments of a record: their places have six bits.
    public static let maximumCount = 64
    /// Every fragment but the last has at least this many bytes of the body, so that 64 places are enough.
    public static let minimumSlice = 512
    /// Records from here on cannot be cut: the number's highest byte tells that a datagram is a fragment.
    public static let recordNumberBound: UInt64 = 1 << 40

    private static let mark: UInt8 = 0x80
    private static let lastMark: UInt8 = 0x40
    private static let indexMask: UInt8 = 0x3f

    /// A header with these fields, which the caller keeps in range.
    public init(connectionID: ConnectionID, recordNumber: UInt64, index: Int, isLast: Bool, bodyByteCount: Int) {
        self.connectionID = connectionID
        self.recordNumber = recordNumber
        self.index = index
        self.isLast = isLast
        self.bodyByteCount = bodyByteCount
    }

    /// Whether a session datagram is a fragment; false also for one too short to tell.
    public static func isFragment(_ datagram: RawSpan) -> Bool {
        guard datagram.byteCount > byteCount else { return false }
        let byte = unsafe datagram.unsafeLoad(fromUncheckedByteOffset: ConnectionID.byteCount, as: UInt8.self)
        return byte & mark != 0
    }

    /// Reads a header; `invalidValue` when it is none.
    public init(reading reader: inout ByteReader) throws(DecodeError) {
        connectionID = ConnectionID(rawValue: try reader.readUInt64())
        let place = try reader.readUInt8()
        let high = try reader.readUInt8()
        recordNumber = UInt64(high) &<< 32 | UInt64(try reader.readUInt32())
        bodyByteCount = Int(try reader.readUInt16())
        guard place & Self.mark != 0, bodyByteCount > 0, bodyByteCount <= Self.maximumBody else {
            throw .invalidValue
        }
        index = Int(place & Self.indexMask)
        isLast = place & Self.lastMark != 0
    }

    /// Appends the header.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        output.write(connectionID.rawValue)
        output.write(Self.place(index, isLast: isLast))
        output.write(UInt8(truncatingIfNeeded: recordNumber &>> 32))
        output.write(UInt32(truncatingIfNeeded: recordNumber))
        output.write(UInt16(truncatingIfNeeded: bodyByteCount))
    }

    /// The byte that says which fragment it is.
    static func place(_ index: Int, isLast: Bool) -> UInt8 {
        mark | (isLast ? lastMark : 0) | UInt8(truncatingIfNeeded: index) & indexMask
    }

    // MARK: Arithmetic

    /// The bytes of a body that `count` full datagrams of `datagramByteCount` bytes carry.
    public static func bodyCapacity(count: Int, datagramByteCount: Int) -> Int {
        count &* (datagramByteCount &- byteCount)
    }

    /// How many datagrams of at most `datagramByteCount` bytes carry a body; 0 when no datagram of that size carries a
    /// fragment, or they are too many.
    public static func count(body: Int, datagramByteCount: Int) -> Int {
        let slice = datagramByteCount &- byteCount
        guard slice >= minimumSlice, body > 0, body <= maximumBody else { return 0 }
        return (body &+ slice &- 1) / slice
    }
}
