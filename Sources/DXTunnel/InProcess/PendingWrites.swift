import DequeModule
import NIOCore

/// What was written to a `TunnelChannel` and the stream has not taken yet, in order. A flush lets go what was written before it.
///
/// `isWritable` follows the water mark: false above the higher one, true again below the lower one. Writes are kept all the same, as
/// SwiftNIO does: whoever heeds `isWritable` bounds the memory. Nothing here calls out.
struct PendingWrites {
    /// One write.
    struct Write {
        var bytes: ByteBuffer
        var promise: EventLoopPromise<Void>?
    }

    private var writes: Deque<Write> = []
    private var flushedCount = 0
    /// Bytes of all writes.
    private(set) var byteCount = 0
    private(set) var isWritable = true
    private(set) var waterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 32_768, high: 65_536)

    /// None.
    init() {}

    var isEmpty: Bool { writes.isEmpty }

    /// The oldest write, if it was flushed.
    var nextFlushed: ByteBuffer? { flushedCount > 0 ? writes.first?.bytes : nil }

    /// One more; whether `isWritable` has changed.
    mutating func append(_ write: Write) -> Bool {
        writes.append(write)
        byteCount += write.bytes.readableBytes
        return followWaterMark()
    }

    /// All of them may go.
    mutating func flush() { flushedCount = writes.count }

    /// The oldest write has been taken: who waits for that, and whether `isWritable` has changed.
    mutating func removeFirst() -> (promise: EventLoopPromise<Void>?, hasChanged: Bool) {
        let write = writes.removeFirst()
        flushedCount -= 1
        byteCount -= write.bytes.readableBytes
        return (write.promise, followWaterMark())
    }

    /// None is taken any more; who waits for them.
    mutating func removeAll() -> [EventLoopPromise<Void>] {
        let left = writes.compactMap(\.promise)
        writes = []
        (flushedCount, byteCount, isWritable) = (0, 0, false)
        return left
    }

    /// There is this water mark from now on; whether `isWritable` has changed.
    mutating func setWaterMark(_ waterMark: ChannelOptions.Types.WriteBufferWaterMark) -> Bool {
        self.waterMark = waterMark
        return followWaterMark()
    }

    private mutating func followWaterMark() -> Bool {
        let wasWritable = isWritable
        if byteCount > waterMark.high { isWritable = false } else if byteCount < waterMark.low { isWritable = true }
        return isWritable != wasWritable
    }
}

@available(*, unavailable)
extension PendingWrites: Sendable {}
