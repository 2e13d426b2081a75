/// The fragments of one session record that lie one behind the other in memory, all there and in order: what a sender
/// hands to the kernel as one GSO run, and what GRO nearly always gives the receiver (`docs/wire-format.md` §2.2).
///
/// The record's body stays where it is, in slices between the headers. So a record is sealed straight into its fragments
/// and opened out of them, without a copy in between.
public struct FragmentRun: Equatable, Sendable, BitwiseCopyable {
    /// The receiver's connection id, of every fragment.
    public let connectionID: ConnectionID
    /// The record's number: 40 bits.
    public let recordNumber: UInt64
    /// The bytes of the record after connection id and number, 1 to `FragmentHeader.maximumBody`.
    public let bodyByteCount: Int
    /// The size of every fragment but the last, header included.
    public let datagramByteCount: Int

    /// A run with these fields, which the caller keeps in range: `FragmentHeader.count` is at least 2.
    public init(connectionID: ConnectionID, recordNumber: UInt64, bodyByteCount: Int, datagramByteCount: Int) {
        self.connectionID = connectionID
        self.recordNumber = recordNumber
        self.bodyByteCount = bodyByteCount
        self.datagramByteCount = datagramByteCount
    }

    /// The run that `memory` begins with; nil when it begins otherwise: no fragment, one missing, or in another order.
    /// `datagramByteCount` is the size of the datagrams that lie there, the last one perhaps shorter.
    ///
    /// Total: any bytes, any size.
    public init?(reading memory: RawSpan, datagramByteCount: Int) {
        guard datagramByteCount > FragmentHeader.byteCount, FragmentHeader.isFragment(memory) else { return nil }
        var reader = ByteReader(memory)
        guard let first = try? FragmentHeader(reading: &reader), first.index == 0, !first.isLast else { return nil }
        let count = FragmentHeader.count(body: first.bodyByteCount, datagramByteCount: datagramByteCount)
        let whole = first.bodyByteCount &+ count &* FragmentHeader.byteCount
        guard count > 1, count <= FragmentHeader.maximumCount, memory.byteCount >= whole else { return nil }
        connectionID = first.connectionID
        recordNumber = first.recordNumber
        bodyByteCount = first.bodyByteCount
        self.datagramByteCount = datagramByteCount
        let id = first.connectionID.rawValue.bigEndian
        for index in 1..<count {
            let offset = index &* datagramByteCount
            // At most 64 fragments of `datagramByteCount` bytes, and `whole` reaches into the last one's body.
            let head = unsafe memory.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self)
            let tail = unsafe memory.unsafeLoadUnaligned(fromUncheckedByteOffset: offset &+ 8, as: UInt64.self)
            guard head == id, tail == headerTail(index, isLast: index == count &- 1).bigEndian else { return nil }
        }
    }

    /// How many fragments.
    public var count: Int { FragmentHeader.count(body: bodyByteCount, datagramByteCount: datagramByteCount) }

    /// The bytes of all of them.
    public var byteCount: Int { bodyByteCount &+ count &* FragmentHeader.byteCount }

    /// The bytes of the body in every fragment but the last.
    public var slice: Int { datagramByteCount &- FragmentHeader.byteCount }

    /// Writes the headers into `memory`, which begins with the first fragment and has `byteCount` bytes at least (fewer
    /// are a programming error and trap). What lies between the headers is left alone.
    public func writeHeaders(into memory: inout MutableRawSpan) {
        let count = count
        precondition(count > 0 && memory.byteCount >= byteCount, "the memory holds all fragments")
        for index in 0..<count {
            let offset = index &* datagramByteCount
            unsafe memory.storeBytes(
                of: connectionID.rawValue.bigEndian, toUncheckedByteOffset: offset, as: UInt64.self)
            unsafe memory.storeBytes(
                of: headerTail(index, isLast: index == count &- 1).bigEndian, toUncheckedByteOffset: offset &+ 8,
                as: UInt64.self)
        }
    }

    /// All of a header but the connection id: mark and place, number, size.
    private func headerTail(_ index: Int, isLast: Bool) -> UInt64 {
        let place = FragmentHeader.place(index, isLast: isLast)
        return UInt64(place) &<< 56 | recordNumber &<< 16 | UInt64(truncatingIfNeeded: bodyByteCount)
    }
}
