internal import DXWire
internal import DequeModule
internal import NIOCore

/// Puts the bytes of a stream back in order.
///
/// Bytes that arrive in order are copied once, into chunks that are handed to the application whole. Bytes that arrive
/// early wait in a sorted list of copies, joined with their neighbours, until the gap before them closes. Chunks and copies
/// come from the channel's store, and go back to it.
///
/// Limits: the flow control window bounds the bytes; `maximumGapCount` bounds the list, against a peer that sends every
/// other byte. At that limit a packet is refused whole and not acknowledged, so nothing is lost.
struct Reassembler: Sendable {
    /// The place after the last byte that arrived in order.
    private(set) var contiguousOffset: UInt64 = 0
    /// Bytes in order that the application has not taken.
    private(set) var readyByteCount = 0
    /// Bytes that wait for a gap to close.
    private(set) var waitingByteCount = 0
    /// Chunks in order that the application has not taken.
    private(set) var ready: Deque<ByteBuffer> = []
    private var waiting: [Waiting] = []
    /// The bytes of the chunk that was taken last.
    private var lastTaken = 0

    private struct Waiting {
        var offset: UInt64
        var bytes: ByteBuffer
        var endOffset: UInt64 { offset &+ UInt64(bytes.readableBytes) }
    }

    /// The largest chunk handed to the application. 64 KiB: what one socket write takes well, below malloc's mmap
    /// threshold.
    static let maximumChunk = ChunkStore.largestChunk
    /// The first chunk of a stream; small, because most streams of devices carry short messages.
    private static let firstChunk = ChunkStore.leastChunk
    /// How many waiting pieces there may be. 16 MiB of full packets, every other one lost, make 6,000.
    static let maximumGapCount = 8_192
    /// Waiting pieces are joined up to this size, so that the list stays short without large moves.
    private static let joinedWaiting = 16_384
    /// Smaller copies have memory of their own, of their size: a chunk for each byte would make a flood of them costly.
    private static let leastStored = 1_024

    /// How many pieces wait for a gap to close.
    var gapCount: Int { waiting.count }

    /// Takes bytes that belong at `offset`; duplicates are ignored. False when the list of waiting pieces is full and
    /// the bytes were refused.
    mutating func insert(_ bytes: RawSpan, at offset: UInt64, store: inout ChunkStore) -> Bool {
        let end = offset &+ UInt64(bytes.byteCount)
        if end <= contiguousOffset { return true }
        if offset <= contiguousOffset {
            let skip = Int(contiguousOffset &- offset)
            appendReady(bytes.extracting(skip..<bytes.byteCount), store: &store)
            if !waiting.isEmpty { drainWaiting(store: &store) }
            return true
        }
        return insertWaiting(bytes, at: offset, end: end, store: &store)
    }

    /// Takes the next bytes in order, a chunk of at most 64 KiB; nil when there are none.
    mutating func read(store: inout ChunkStore) -> ByteBuffer? {
        guard let chunk = ready.popFirst() else { return nil }
        readyByteCount &-= chunk.readableBytes
        lastTaken = chunk.readableBytes
        store.keep(chunk)
        return chunk
    }

    /// Forgets all bytes held; `contiguousOffset` stays.
    mutating func discardAll() {
        ready.removeAll()
        waiting.removeAll()
        readyByteCount = 0
        waitingByteCount = 0
    }

    private mutating func appendReady(_ bytes: RawSpan, store: inout ChunkStore) {
        let count = bytes.byteCount
        contiguousOffset &+= UInt64(count)
        readyByteCount &+= count
        var position = 0
        // Only the number is taken out: a second reference to the chunk would make the write below copy all of it.
        let room = ready.last?.writableBytes ?? 0
        if room > 0 {
            position = min(count, room)
            Self.append(bytes.extracting(0..<position), to: &ready[ready.count &- 1])
        }
        while position < count {
            let left = count &- position
            var chunk = store.take(nextChunkCapacity(left))
            let part = min(left, chunk.writableBytes)
            Self.append(bytes.extracting(position..<(position &+ part)), to: &chunk)
            ready.append(chunk)
            position &+= part
        }
    }

    /// Twice what the last chunk held when it was taken: streams that carry much get full chunks, those that carry short
    /// messages get small ones, whatever they carried long ago.
    private func nextChunkCapacity(_ needed: Int) -> Int {
        let previous = ready.last?.storageCapacity ?? lastTaken
        return min(Self.maximumChunk, max(needed, 2 &* previous, Self.firstChunk))
    }

    private static func append(_ bytes: RawSpan, to buffer: inout ByteBuffer) {
        buffer.writeWithOutputRawSpan(minimumWritableBytes: bytes.byteCount) { $0.write(bytes) }
    }

    private mutating func drainWaiting(store: inout ChunkStore) {
        var used = 0
        while used < waiting.count, waiting[used].offset <= contiguousOffset {
            let piece = waiting[used]
            waitingByteCount &-= piece.bytes.readableBytes
            if piece.endOffset > contiguousOffset {
                let skip = Int(contiguousOffset &- piece.offset)
                let span = piece.bytes.readableBytesSpan
                appendReady(span.extracting(skip..<span.byteCount), store: &store)
            }
            store.keep(piece.bytes)
            used &+= 1
        }
        if used > 0 { waiting.removeFirst(used) }
    }

    /// Inserts the parts of `bytes` that no waiting piece has.
    private mutating func insertWaiting(
        _ bytes: RawSpan, at offset: UInt64, end: UInt64, store: inout ChunkStore
    ) -> Bool {
        var index = firstWaiting(endingAfter: offset)
        var position = offset
        while position < end {
            let isBeforePiece = index < waiting.count
            let pieceStart = isBeforePiece ? waiting[index].offset : end
            if position < pieceStart {
                let partEnd = min(end, pieceStart)
                let part = bytes.extracting(Int(position &- offset)..<Int(partEnd &- offset))
                guard let next = addWaiting(part, at: position, before: index, store: &store) else { return false }
                index = next
                position = partEnd
            } else {
                position = max(position, waiting[index].endOffset)
                index &+= 1
            }
        }
        return true
    }

    /// Puts a new piece before `index`, or joins it to the one before; returns the index after it, nil at the limit.
    private mutating func addWaiting(
        _ part: RawSpan, at offset: UInt64, before index: Int, store: inout ChunkStore
    ) -> Int? {
        if index > 0, waiting[index &- 1].endOffset == offset,
            waiting[index &- 1].bytes.readableBytes &+ part.byteCount <= Self.joinedWaiting
        {
            Self.append(part, to: &waiting[index &- 1].bytes)
            waitingByteCount &+= part.byteCount
            return index
        }
        guard waiting.count < Self.maximumGapCount else { return nil }
        var copy =
            part.byteCount < Self.leastStored
            ? ByteBufferAllocator().buffer(capacity: part.byteCount) : store.take(part.byteCount)
        Self.append(part, to: &copy)
        waiting.insert(Waiting(offset: offset, bytes: copy), at: index)
        waitingByteCount &+= part.byteCount
        return index &+ 1
    }

    private func firstWaiting(endingAfter offset: UInt64) -> Int {
        if let last = waiting.last, last.endOffset <= offset { return waiting.count }
        var low = 0
        var high = waiting.count
        while low < high {
            let middle = (low &+ high) / 2
            if waiting[middle].endOffset <= offset { low = middle &+ 1 } else { high = middle }
        }
        return low
    }
}
