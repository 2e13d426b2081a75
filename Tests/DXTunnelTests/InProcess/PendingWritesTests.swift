import NIOCore
import Testing

@testable import DXTunnel

/// What waits in a channel, and when it says that it takes more.
@Suite struct PendingWritesTests {
    private func write(_ count: Int) -> PendingWrites.Write { .init(bytes: ByteBuffer(repeating: 1, count: count)) }

    @Test func onlyWhatWasFlushedGoes() {
        var writes = PendingWrites()
        _ = writes.append(write(3))
        #expect(writes.nextFlushed == nil)
        writes.flush()
        _ = writes.append(write(4))
        #expect(writes.nextFlushed?.readableBytes == 3)
        _ = writes.removeFirst()
        #expect(writes.nextFlushed == nil && !writes.isEmpty && writes.byteCount == 4)
        writes.flush()
        #expect(writes.nextFlushed?.readableBytes == 4)
    }

    @Test func followsTheWaterMark() {
        var writes = PendingWrites()
        var changes: [Bool] = []
        func note(_ hasChanged: Bool) { changes.append(hasChanged) }
        note(writes.setWaterMark(.init(low: 10, high: 20)))
        note(writes.append(write(20)))
        #expect(writes.isWritable)
        note(writes.append(write(1)))
        #expect(!writes.isWritable)
        note(writes.append(write(9)))
        writes.flush()
        // Ten are left: not below the lower mark.
        note(writes.removeFirst().hasChanged)
        note(writes.removeFirst().hasChanged)
        #expect(writes.isWritable)
        // A mark that is passed already.
        note(writes.setWaterMark(.init(low: 1, high: 5)))
        #expect(!writes.isWritable)
        #expect(changes == [false, false, true, false, false, true, true])
        let waiting = writes.removeAll()
        #expect(waiting.isEmpty)
        #expect(writes.isEmpty && writes.byteCount == 0 && writes.nextFlushed == nil && !writes.isWritable)
    }
}
