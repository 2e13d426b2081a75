/// The head of a message that carries a datagram of a tunnelled UDP flow, or a part of one (`docs/wire-format.md` §6.13.2).
///
/// Every message names the listener block and the flow, so that none depends on one before it. What follows the head is
/// data, to the end of the message.
///
/// ```
///  0                4        4+v      5+v
/// +----------------+--------+--------+- - - - - - - - - - - - - - - - - - - - - - - - - - - - -+---- - -
/// | internal port  | flow   | kind   | kind 1: id (4), datagram size (2), part size (2), index | data
/// |      (4)       | varint | (1)    |         (1)                                             |
/// +----------------+--------+--------+- - - - - - - - - - - - - - - - - - - - - - - - - - - - -+---- - -
/// ```
public struct FlowHeader: Equatable, Sendable, BitwiseCopyable {
    /// The destination's listener block.
    public var internalPort: UInt32
    /// The flow within it, 0 to 2^62-1: the origin chooses.
    public var flow: UInt64
    /// Which part of a datagram it is; nil for a whole one.
    public var part: Part?

    /// A part of a datagram that fits into no message.
    public struct Part: Equatable, Sendable, BitwiseCopyable {
        /// Tells it from other datagrams of its flow that are on the way.
        public var id: UInt32
        /// The bytes of the whole datagram, 2 to `maximumDatagram`.
        public var datagramByteCount: Int
        /// The bytes of every part but the last, which has the rest: at least `minimumSlice`, less than the whole.
        public var sliceByteCount: Int
        /// Its place, from 0.
        public var index: Int

        /// A part with these fields, which the caller keeps in range.
        public init(id: UInt32, datagramByteCount: Int, sliceByteCount: Int, index: Int) {
            self.id = id
            self.datagramByteCount = datagramByteCount
            self.sliceByteCount = sliceByteCount
            self.index = index
        }

        /// How many parts the datagram has: at least 2.
        public var count: Int { (datagramByteCount &+ sliceByteCount &- 1) / sliceByteCount }
        /// Where its bytes belong.
        public var offset: Int { index &* sliceByteCount }
        /// How many bytes it has.
        public var byteCount: Int { min(sliceByteCount, datagramByteCount &- offset) }
    }

    /// The most bytes of a UDP datagram (RFC 768 over RFC 791).
    public static let maximumDatagram = 65_507
    /// Parts are no smaller, but for the last: so there are at most 128.
    public static let minimumSlice = 512
    /// The longest head, in bytes.
    public static let maximumByteCount = 4 + 8 + 1 + partByteCount

    private static let partByteCount = 9
    private static let whole: UInt8 = 0
    private static let partial: UInt8 = 1

    /// A head with these fields, which the caller keeps in range.
    public init(internalPort: UInt32, flow: UInt64, part: Part? = nil) {
        self.internalPort = internalPort
        self.flow = flow
        self.part = part
    }

    /// Reads the head of a message that `reader` holds all of, and leaves the data. Throws `invalidValue` for a kind that is
    /// unknown, for a part that contradicts itself, and for data of another size than it must have.
    public init(reading reader: inout ByteReader) throws(DecodeError) {
        internalPort = try reader.readUInt32()
        flow = try reader.readVarInt()
        switch try reader.readUInt8() {
        case Self.whole:
            guard reader.remaining <= Self.maximumDatagram else { throw .invalidValue }
            part = nil
        case Self.partial:
            let part = Part(
                id: try reader.readUInt32(), datagramByteCount: Int(try reader.readUInt16()),
                sliceByteCount: Int(try reader.readUInt16()), index: Int(try reader.readUInt8()))
            guard part.datagramByteCount <= Self.maximumDatagram, part.sliceByteCount >= Self.minimumSlice,
                part.sliceByteCount < part.datagramByteCount, part.index < part.count,
                part.byteCount == reader.remaining
            else { throw .invalidValue }
            self.part = part
        default: throw .invalidValue
        }
    }

    /// Its length on the wire.
    public var byteCount: Int { 4 &+ VarInt.byteCount(flow) &+ 1 &+ (part == nil ? 0 : Self.partByteCount) }

    /// Appends the head.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        output.write(internalPort)
        output.writeVarInt(flow)
        guard let part else { return output.write(Self.whole) }
        output.write(Self.partial)
        output.write(part.id)
        output.write(UInt16(truncatingIfNeeded: part.datagramByteCount))
        output.write(UInt16(truncatingIfNeeded: part.sliceByteCount))
        output.write(UInt8(truncatingIfNeeded: part.index))
    }

    /// The size of the parts of a datagram of so many bytes, all but the last alike and as few as messages of `capacity` bytes
    /// allow; nil when there is no such size, or the datagram goes into one message.
    public func slice(of datagramByteCount: Int, capacity: Int) -> Int? {
        let room = capacity &- 4 &- VarInt.byteCount(flow) &- 1 &- Self.partByteCount
        guard room >= Self.minimumSlice, datagramByteCount > room, datagramByteCount <= Self.maximumDatagram else {
            return nil
        }
        let count = (datagramByteCount &+ room &- 1) / room
        return max(Self.minimumSlice, (datagramByteCount &+ count &- 1) / count)
    }
}
