internal import DXWire
internal import DequeModule
internal import NIOCore

/// The bytes of a stream that may have to be sent (again): from the first unacknowledged byte to the last written.
///
/// Chunks are kept as the application gave them and copied once, into the packet. Small chunks are joined, so that
/// memory stays near the number of bytes: a socket read may give 10 bytes in a buffer of 64 KiB.
/// Which bytes were sent, acknowledged or lost is `SendStream`'s business.
struct SendBuffer: Sendable {
    /// The offset in the stream of the first byte held.
    private(set) var baseOffset: UInt64 = 0
    /// The offset after the last byte held: everything ever written ends here.
    private(set) var endOffset: UInt64 = 0
    private(set) var chunks: Deque<Chunk> = []
    /// The chunk where the last read ended, for reading on in order without searching.
    private var cursor = 0

    /// Bytes as the application gave them, or joined, and where they begin.
    struct Chunk {
        var offset: UInt64
        var bytes: ByteBuffer
        var endOffset: UInt64 { offset &+ UInt64(bytes.readableBytes) }
    }

    /// Chunks whose storage is more than twice their bytes are copied into chunks of this capacity. 4 KiB: a few
    /// packets, so an interactive stream costs one small allocation.
    private static let joinedCapacity = 4096

    /// The number of bytes held.
    var byteCount: Int { Int(endOffset &- baseOffset) }

    /// Appends bytes at the end of the stream.
    mutating func append(_ bytes: ByteBuffer) {
        let count = bytes.readableBytes
        guard count > 0 else { return }
        defer { endOffset &+= UInt64(count) }
        if bytes.storageCapacity <= 2 &* count {
            chunks.append(Chunk(offset: endOffset, bytes: bytes))
            return
        }
        // Only numbers are taken out: a second reference to the chunk would make the write below copy all of it.
        let last = chunks.last.map { (room: $0.bytes.writableBytes, capacity: $0.bytes.storageCapacity) }
        if let last, last.room >= count, last.capacity <= Self.joinedCapacity {
            chunks[chunks.count &- 1].bytes.writeImmutableBuffer(bytes)
            return
        }
        var joined = ByteBufferAllocator().buffer(capacity: max(count, min(Self.joinedCapacity, 4 &* count)))
        joined.writeImmutableBuffer(bytes)
        chunks.append(Chunk(offset: endOffset, bytes: joined))
    }

    /// Forgets everything below `offset`, which has been acknowledged.
    mutating func discard(below offset: UInt64) {
        let bound = min(offset, endOffset)
        guard bound > baseOffset else { return }
        while let first = chunks.first, first.endOffset <= bound {
            chunks.removeFirst()
            cursor = max(0, cursor &- 1)
        }
        baseOffset = bound
    }

    /// Forgets everything, after a reset.
    mutating func discardAll() {
        chunks.removeAll()
        cursor = 0
        baseOffset = endOffset
    }

    /// Copies `count` bytes from `offset` to the end of `output`. They must be held and fit (a programming error: traps).
    @_lifetime(output: copy output)
    mutating func copy(from offset: UInt64, count: Int, to output: inout OutputRawSpan) {
        precondition(
            offset >= baseOffset && offset &+ UInt64(count) <= endOffset, "only unacknowledged bytes are sent")
        var index = chunkIndex(of: offset)
        var position = offset
        var left = count
        while left > 0 {
            let skip = Int(position &- chunks[index].offset)
            let part = min(left, chunks[index].bytes.readableBytes &- skip)
            Self.append(chunks[index].bytes, skip: skip, count: part, to: &output)
            position &+= UInt64(part)
            left &-= part
            cursor = index
            index &+= 1
        }
    }

    @_lifetime(output: copy output)
    private static func append(_ bytes: ByteBuffer, skip: Int, count: Int, to output: inout OutputRawSpan) {
        output.write(bytes.readableBytesSpan.extracting(skip..<(skip &+ count)))
    }

    private func chunkIndex(of offset: UInt64) -> Int {
        if cursor < chunks.count, chunks[cursor].offset <= offset {
            if offset < chunks[cursor].endOffset { return cursor }
            if cursor &+ 1 < chunks.count, offset < chunks[cursor &+ 1].endOffset { return cursor &+ 1 }
        }
        var low = 0
        var high = chunks.count
        while low < high {
            let middle = (low &+ high) / 2
            if chunks[middle].endOffset <= offset { low = middle &+ 1 } else { high = middle }
        }
        return low
    }
}
