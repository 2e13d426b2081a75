internal import DXWire
public import NIOCore

/// What applications send: bytes that are a function of a key (which stream, which direction) and of their place in the
/// stream, so that any byte lost, doubled, swapped or taken from another stream is seen where it is read.
///
/// Blocks of 4 KiB are cut out of one random table at a place that the key and the number of the block decide, so that
/// making and checking cost a copy and a comparison of memory.
public enum Content {
    private static let blockByteCount = 4096
    private static let table: ByteBuffer = {
        var random = RandomSource(seed: 0xd1ce)
        var table = ByteBufferAllocator().buffer(capacity: 1 << 18)
        while table.writerIndex < 1 << 18 { table.writeInteger(random.next()) }
        return table
    }()

    /// The bytes at `offset` of the stream with this key.
    public static func bytes(key: UInt64, offset: UInt64, count: Int) -> ByteBuffer {
        var result = ByteBufferAllocator().buffer(capacity: count)
        forEachBlock(key: key, offset: offset, count: count) { slice, _ in
            result.writeImmutableBuffer(slice)
            return true
        }
        return result
    }

    /// The place in `bytes` of the first block that is not what stands at `offset` of the stream; nil when all is well.
    public static func firstDifference(in bytes: ByteBuffer, key: UInt64, offset: UInt64) -> UInt64? {
        var difference: UInt64?
        forEachBlock(key: key, offset: offset, count: bytes.readableBytes) { slice, position in
            if bytes.getSlice(at: bytes.readerIndex + position, length: slice.readableBytes) == slice { return true }
            difference = offset + UInt64(position)
            return false
        }
        return difference
    }

    private static func forEachBlock(
        key: UInt64, offset: UInt64, count: Int, body: (_ slice: ByteBuffer, _ position: Int) -> Bool
    ) {
        var position = 0
        while position < count {
            let place = offset + UInt64(position)
            let within = Int(place % UInt64(blockByteCount))
            let length = min(count - position, blockByteCount - within)
            var hash = RandomSource(seed: key ^ (place / UInt64(blockByteCount)) &* 0x9e37_79b9_7f4a_7c15)
            let start = Int(hash.below(UInt64(table.writerIndex - blockByteCount)))
            guard body(table.getSlice(at: start + within, length: length)!, position) else { return }
            position += length
        }
    }
}
