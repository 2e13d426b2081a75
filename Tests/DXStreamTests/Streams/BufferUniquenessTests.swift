import DXWire
import DequeModule
import NIOCore
import Testing

@testable import DXStream

/// A second reference to a chunk while it is written to makes Swift copy all of it. It once did, for every packet, and more
/// than half of a gateway's time went into that. Nothing was wrong but the speed; a chunk that stays where it is shows that
/// it was not copied.
@Suite struct BufferUniquenessTests {
    private func address(_ buffer: ByteBuffer?) -> UInt {
        guard let buffer else { return 0 }
        return unsafe buffer.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) }
    }

    @Test func appendingInOrderCopiesNoChunk() {
        var reassembler = Reassembler()
        var store = ChunkStore()
        let packet = [UInt8](repeating: 7, count: 1_000)
        var moves = 0
        var offset: UInt64 = 0
        for _ in 0..<1_000 {
            let chunks = reassembler.ready.count
            let before = address(reassembler.ready.last)
            let isTaken = unsafe reassembler.insert(packet.span.bytes, at: offset, store: &store)
            guard isTaken else { break }
            offset += 1_000
            if reassembler.ready.count == chunks && address(reassembler.ready.last) != before { moves += 1 }
        }
        #expect(offset == 1_000_000)
        #expect(moves == 0)
    }

    @Test func joiningSmallWritesCopiesNoChunk() {
        var buffer = SendBuffer()
        var large = ByteBufferAllocator().buffer(capacity: 65_536)
        large.writeBytes([UInt8](repeating: 7, count: 10))
        var moves = 0
        for _ in 0..<1_000 {
            let chunks = buffer.chunks.count
            let before = address(buffer.chunks.last?.bytes)
            buffer.append(large)
            if buffer.chunks.count == chunks && address(buffer.chunks.last?.bytes) != before { moves += 1 }
        }
        #expect(buffer.byteCount == 10_000)
        #expect(moves == 0)
    }
}
