import NIOCore

/// How much memory each read of a tunnel's connection takes: as much as the last ones filled, up to a maximum.
///
/// SwiftNIO keeps a connection's buffer for its next read for as long as the connection is open, and never makes it smaller: one
/// that once carried much would hold 256 KiB for ever, beside `limits.memory`, and thousands of them all of a small device's memory. So
/// only a small buffer is left to it, and each large read has a new one.
struct ConnectionReads: RecvByteBufferAllocator {
    private var sizes: AdaptiveRecvByteBufferAllocator

    /// Up to this size, in bytes, a buffer is kept and used again: what a connection that carries little needs costs no allocation.
    static let kept = 4_096
    private static let least = 2_048

    /// - Parameter maximum: the largest read, in bytes, at least `kept`; rounded up to a power of two.
    init(maximum: Int) {
        sizes = AdaptiveRecvByteBufferAllocator(minimum: Self.least, initial: Self.kept, maximum: maximum)
    }

    private var next: Int { sizes.nextBufferSize() ?? Self.kept }

    /// A new buffer for the next read.
    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer { allocator.buffer(capacity: next) }

    /// Says that the kept buffer may be used again, by its size; nil: that a new one is to be made.
    func nextBufferSize() -> Int? { next <= Self.kept ? next : nil }

    /// True where a new one is to be made: without it SwiftNIO uses the kept one all the same.
    mutating func record(actualReadBytes: Int) -> Bool {
        _ = sizes.record(actualReadBytes: actualReadBytes)
        return next > Self.kept
    }
}
