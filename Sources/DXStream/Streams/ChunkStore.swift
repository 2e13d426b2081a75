internal import DXWire
internal import NIOCore

/// The chunks that a channel handed to the application, to be written again once the application has let them go.
///
/// A chunk that is handed out is kept here too. It is used again only when nobody else refers to its memory (nor to a slice
/// of it): so what the application holds never changes. Chunks have sizes of powers of two, each size a shelf of its own.
///
/// Limits: all that is kept, in use or not, has at most `maximumByteCount`; what is kept beyond it pushes out the oldest of
/// the shelf that has most, which costs an allocation later and nothing else. A channel that is quiet for `quietTime` keeps
/// nothing. Take and keep cost a handful of looks, however much is kept.
struct ChunkStore: Sendable {
    /// What is kept, in bytes.
    private(set) var byteCount = 0
    /// The most that may be kept, in bytes.
    let maximumByteCount: Int
    /// When it was used last; its owner says so.
    var usedAt: Instant = .zero
    /// How many chunks were asked for and had to be allocated.
    private(set) var allocationCount: UInt64 = 0
    /// One for each size, the newest last; none before something is kept.
    private var shelves: [[ByteBuffer]] = []

    /// The smallest chunk: a packet of 1,500 bytes fits.
    static let leastChunk = 2_048
    /// The largest, see `Reassembler.maximumChunk`.
    static let largestChunk = 65_536
    /// 2, 4, 8, 16, 32 and 64 KiB.
    private static let shelfCount = 6
    /// 18 of the largest chunks: a receive batch of 1 MiB, which begins and ends in the middle of one.
    static let defaultMaximum = 18 * 65_536
    /// A second: longer than the pauses of a transfer, short beside the time that a device is idle.
    static let quietTime: Interval = .seconds(1)
    /// How many of the newest are looked at. They are warm in the cache, and free once the application passed them on.
    private static let newestLooks = 4

    /// A store that keeps nothing yet.
    init(maximumByteCount: Int = ChunkStore.defaultMaximum) { self.maximumByteCount = maximumByteCount }

    /// When what is kept should go; nil when nothing is kept.
    var deadline: Instant? { byteCount > 0 ? usedAt + Self.quietTime : nil }

    /// An empty chunk of at least `capacity` bytes, at most 64 KiB: one that the application has let go, or a new one.
    mutating func take(_ capacity: Int) -> ByteBuffer {
        let shelf = Self.shelf(for: capacity)
        if byteCount > 0, let chunk = takeFree(from: shelf) { return chunk }
        allocationCount &+= 1
        return ByteBufferAllocator().buffer(capacity: Self.leastChunk &<< shelf)
    }

    /// Keeps a chunk that was handed out, or is not needed any more; one of another size is let go.
    mutating func keep(_ chunk: ByteBuffer) {
        let size = chunk.storageCapacity
        let shelf = Self.shelf(for: size)
        guard size == Self.leastChunk &<< shelf, size <= maximumByteCount, chunk.readerIndex == 0 else { return }
        if shelves.isEmpty { shelves = Array(repeating: [], count: Self.shelfCount) }
        while byteCount &+ size > maximumByteCount { dropOldest() }
        byteCount &+= size
        shelves[shelf].append(chunk)
    }

    /// Keeps nothing any more; what the application holds stays.
    mutating func removeAll() {
        shelves = []
        byteCount = 0
    }

    private mutating func takeFree(from shelf: Int) -> ByteBuffer? {
        let count = shelves[shelf].count
        guard count > 0 else { return nil }
        var index = count
        let end = max(0, count &- Self.newestLooks)
        while index > end {
            index &-= 1
            if clear(shelf, index) { return remove(shelf, index) }
        }
        // Of many in use the oldest is free first.
        return end > 0 && clear(shelf, 0) ? remove(shelf, 0) : nil
    }

    /// Empties a chunk for use; false when somebody else refers to it.
    private mutating func clear(_ shelf: Int, _ index: Int) -> Bool {
        shelves[shelf][index].modifyIfUniquelyOwned { $0.moveWriterIndex(to: 0) } != nil
    }

    private mutating func remove(_ shelf: Int, _ index: Int) -> ByteBuffer {
        byteCount &-= Self.leastChunk &<< shelf
        return shelves[shelf].remove(at: index)
    }

    private mutating func dropOldest() {
        var largest = 0
        for shelf in shelves.indices where shelves[shelf].count &<< shelf > shelves[largest].count &<< largest {
            largest = shelf
        }
        // Moves the others, which are few or small.
        shelves[largest].removeFirst()
        byteCount &-= Self.leastChunk &<< largest
    }

    /// The shelf of the smallest chunks with this capacity.
    private static func shelf(for capacity: Int) -> Int {
        let clipped = max(leastChunk, min(capacity, largestChunk))
        // 11 bits count to 2,047.
        return Int.bitWidth &- (clipped &- 1).leadingZeroBitCount &- 11
    }
}
