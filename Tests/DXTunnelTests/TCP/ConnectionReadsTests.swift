import NIOCore
import Testing

@testable import DXTunnel

@Suite struct ConnectionReadsTests {
    private var pool = NIOPooledRecvBufferAllocator(capacity: 1, recvAllocator: ConnectionReads(maximum: 262_144))

    /// What SwiftNIO does for a read of a socket that has so many bytes: the buffer and how many it took. The pool keeps what it keeps.
    private mutating func read(_ available: Int) -> (buffer: ByteBuffer, count: Int) {
        let (buffer, count) = pool.buffer(allocator: ByteBufferAllocator()) { buffer in
            let count = min(available, buffer.writableBytes)
            buffer.writeRepeatingByte(7, count: count)
            return count
        }
        pool.record(actualReadBytes: count)
        return (buffer, count)
    }

    private static func place(of buffer: ByteBuffer) -> UInt {
        unsafe buffer.withVeryUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
    }

    @Test mutating func readsGrowWithWhatTheyFill() {
        let counts = (0..<8).map { _ in read(.max).count }
        #expect(counts == [4_096, 8_192, 16_384, 32_768, 65_536, 131_072, 262_144, 262_144])
    }

    /// However much a connection has carried: what it uses again when it carries little is the small buffer.
    @Test mutating func onlyASmallBufferIsKept() {
        let first = Self.place(of: read(100).buffer)
        #expect(Self.place(of: read(100).buffer) == first)
        for _ in 0..<10 { #expect(Self.place(of: read(.max).buffer) != 0) }
        for _ in 0..<20 { _ = read(10) }
        let small = read(10).buffer
        #expect(small.storageCapacity <= ConnectionReads.kept)
        #expect(Self.place(of: small) == first)
    }

    /// A buffer that somebody holds is never written again.
    @Test mutating func whatIsHeldStaysAsItIs() {
        for size in [10, 4_096, Int.max, Int.max, Int.max, 10, 10, 10] {
            let held = read(size).buffer
            let copy = Array(held.readableBytesView)
            _ = read(size)
            #expect(Array(held.readableBytesView) == copy)
        }
    }
}
