/// Puts fragments of session records together (`docs/wire-format.md` §2.2), for all sessions of one event loop.
///
/// Fragments come from anyone who knows a connection id, so nothing is trusted: a record that they make is as good as a
/// datagram off the wire, and its tag is checked afterwards. At most `maximumRecords` are in the making, 16.5 KiB each; a
/// further one takes the place of the one that got nothing for the longest time. Memory is taken when it is first needed,
/// and kept.
///
/// Complexity: O(1) for the fragments of one record in a row, O(`maximumRecords`) where records alternate.
public struct FragmentAssembler: Sendable {
    /// What became of a fragment.
    public enum Outcome: Equatable, Sendable, BitwiseCopyable {
        /// It is kept, or was there already.
        case incomplete
        /// It was the last that was missing: the record is in this place until the next fragment comes.
        case complete(Int)
        /// It contradicts its header or those before it. Dropped.
        case rejected
    }

    /// A record in the making.
    private struct Place: Sendable {
        /// Empty until first used; then of constant size.
        var bytes: [UInt8] = []
        var isUsed = false
        var connectionID = ConnectionID(rawValue: 0)
        var recordNumber: UInt64 = 0
        var bodyByteCount = 0
        /// The size of every fragment but the last; 0 while only the last is there.
        var slice = 0
        /// How many fragments there are; 0 until it can be told.
        var count = 0
        /// Which fragments are there.
        var mask: UInt64 = 0
        /// The bytes of all its datagrams.
        var wireByteCount = 0
        var ecn = ECNMark.notECT
        /// When it last got something, in fragments.
        var touched: UInt64 = 0
    }

    /// Records in the making at a time: with GRO a record's fragments come in a row, and one is enough; 16 allow for
    /// reordering and for as many peers whose fragments were lost.
    public static let maximumRecords = 16

    private var places: [Place]
    private var last = 0
    private var clock: UInt64 = 0

    /// Nothing in the making.
    public init() { places = [Place](repeating: Place(), count: Self.maximumRecords) }

    /// Takes a datagram for which `FragmentHeader.isFragment` holds.
    public mutating func receive(_ datagram: RawSpan, ecn: ECNMark) -> Outcome {
        var reader = ByteReader(datagram)
        guard let header = try? FragmentHeader(reading: &reader) else { return .rejected }
        let data = datagram.extracting(FragmentHeader.byteCount...)
        let index = place(for: header)
        clock &+= 1
        places[index].touched = clock
        guard let offset = accept(header, data.byteCount, at: index) else { return .rejected }
        guard places[index].mask & 1 &<< UInt64(header.index) == 0 else { return .incomplete }
        places[index].mask |= 1 &<< UInt64(header.index)
        places[index].wireByteCount &+= datagram.byteCount
        if ecn == .ce { places[index].ecn = .ce }
        unsafe places[index].bytes.withUnsafeMutableBytes { memory in
            let target = unsafe UnsafeMutableRawBufferPointer(
                rebasing: memory[(FragmentHeader.recordHeadByteCount &+ offset)...])
            unsafe data.withUnsafeBytes { unsafe target.copyMemory(from: $0) }
        }
        let count = places[index].count
        guard count > 0, places[index].mask == (1 as UInt64) << count &- 1 else { return .incomplete }
        places[index].isUsed = false
        return .complete(index)
    }

    /// Calls `body` with the record in a place, as the datagram that it would have been: connection id, record number,
    /// body; it may be changed. Only right after `receive` returned `complete` with that place.
    public mutating func withRecord<Result>(at place: Int, _ body: (inout MutableRawSpan) -> Result) -> Result {
        let end = FragmentHeader.recordHeadByteCount + places[place].bodyByteCount
        return unsafe places[place].bytes.withUnsafeMutableBytes { memory in
            var record = unsafe MutableRawSpan(_unsafeBytes: UnsafeMutableRawBufferPointer(rebasing: memory[..<end]))
            return body(&record)
        }
    }

    /// The bytes of all datagrams that made the record, and CE if one of them was marked so.
    public func facts(at place: Int) -> (wireByteCount: Int, ecn: ECNMark) {
        (places[place].wireByteCount, places[place].ecn)
    }

    // MARK: Places

    /// Where the record of `header` is in the making, or begins to be.
    private mutating func place(for header: FragmentHeader) -> Int {
        if holds(header, last) { return last }
        var oldest = 0
        for index in places.indices {
            if holds(header, index) {
                last = index
                return index
            }
            if age(index) < age(oldest) { oldest = index }
        }
        begin(header, at: oldest)
        last = oldest
        return oldest
    }

    private func holds(_ header: FragmentHeader, _ index: Int) -> Bool {
        places[index].isUsed && places[index].recordNumber == header.recordNumber
            && places[index].connectionID == header.connectionID
    }

    /// Free places first, and of those the one with memory; then the one that got nothing for the longest time.
    private func age(_ index: Int) -> UInt64 {
        if places[index].isUsed { return places[index].touched &+ 2 }
        return places[index].bytes.isEmpty ? 1 : 0
    }

    private mutating func begin(_ header: FragmentHeader, at index: Int) {
        if places[index].bytes.isEmpty {
            places[index].bytes = [UInt8](
                repeating: 0, count: FragmentHeader.recordHeadByteCount + FragmentHeader.maximumBody)
        }
        places[index].isUsed = true
        places[index].connectionID = header.connectionID
        places[index].recordNumber = header.recordNumber
        places[index].bodyByteCount = header.bodyByteCount
        places[index].slice = 0
        places[index].count = 0
        places[index].mask = 0
        places[index].wireByteCount = 0
        places[index].ecn = .notECT
        unsafe places[index].bytes.withUnsafeMutableBytes { memory in
            unsafe memory.storeBytes(of: header.connectionID.rawValue.bigEndian, as: UInt64.self)
            unsafe memory.storeBytes(
                of: UInt16(truncatingIfNeeded: header.recordNumber &>> 32).bigEndian, toByteOffset: 8, as: UInt16.self)
            unsafe memory.storeBytes(
                of: UInt32(truncatingIfNeeded: header.recordNumber).bigEndian, toByteOffset: 10, as: UInt32.self)
        }
    }

    /// Where the bytes of a fragment belong in the body; nil when it does not fit what is known.
    private mutating func accept(_ header: FragmentHeader, _ size: Int, at index: Int) -> Int? {
        let total = places[index].bodyByteCount
        guard header.bodyByteCount == total, size > 0, size <= total else { return nil }
        let count = places[index].count
        if header.isLast {
            guard count == 0 || count == header.index &+ 1 else { return nil }
            // By itself it says how much lies before it, which the others must fill in equal parts.
            let slice = places[index].slice > 0 ? places[index].slice : part(of: total &- size, header.index)
            guard let slice, header.index &* slice &+ size == total, size <= slice || header.index == 0 else {
                return nil
            }
            // What came before must lie before it.
            guard places[index].mask &>> UInt64(header.index) <= 1 else { return nil }
            places[index].slice = slice
            places[index].count = header.index &+ 1
            return total &- size
        }
        guard size >= FragmentHeader.minimumSlice, places[index].slice == 0 || places[index].slice == size,
            (header.index &+ 1) &* size < total, count == 0 || header.index &+ 1 < count
        else { return nil }
        places[index].slice = size
        return header.index &* size
    }

    /// The size of `count` equal parts of `bytes`; nil when there are none, or they are too small.
    private func part(of bytes: Int, _ count: Int) -> Int? {
        guard count > 0 else { return bytes == 0 ? 0 : nil }
        return bytes % count == 0 && bytes / count >= FragmentHeader.minimumSlice ? bytes / count : nil
    }
}
