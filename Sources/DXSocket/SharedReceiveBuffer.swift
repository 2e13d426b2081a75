public import NIOCore

/// One buffer of 64 KiB into which all sockets of an event loop read in turn: a socket of its own for each of thousands of flows
/// then costs none. Whoever has read gives it back when it is done with the bytes; until then a further one is made.
public struct SharedReceiveBuffer: RecvByteBufferAllocator {
    private let place: NIOLoopBound<Place>

    /// Where the buffer is when nobody reads.
    private final class Place {
        var buffer: ByteBuffer?
    }

    /// Above every UDP payload, so that nothing arrives cut.
    private static let byteCount = 65_536

    /// A buffer for sockets of this event loop, on which it must be made.
    public init(on eventLoop: any EventLoop) { place = NIOLoopBound(Place(), eventLoop: eventLoop) }

    /// The buffer, or another one while it is in use.
    public func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
        guard var buffer = place.value.buffer else { return allocator.buffer(capacity: Self.byteCount) }
        place.value.buffer = nil
        buffer.clear()
        return buffer
    }

    /// What was read is used no more.
    func giveBack(_ buffer: ByteBuffer) { place.value.buffer = buffer }

    /// It is always of one size.
    public mutating func record(actualReadBytes: Int) -> Bool { false }
}
