internal import DequeModule

/// The streams whose writers wait for room, and when all of them are worth a look.
struct WaitingWriters: Sendable {
    /// Places in the stream table, in turn. A place may have been woken, freed or used again since: the flags of the
    /// stream tell (`Stream.isInWriterQueue`, `Stream.isWriterWaiting`).
    var queue: Deque<Int32> = []
    /// Those of them whose own stream has moved since the last look, each once (`Stream.isWriterNoted`).
    var noted: [Int32] = []
    /// The free memory at the last look at all, or less, if it fell since.
    private var free = 0

    /// Whether so much memory was freed since the last look at all that those may write again whose own stream stands
    /// still: a large write's worth. From half of the memory on it holds nobody back.
    ///
    /// Nothing else needs a look at all: who waits for its part of a window has something to send, which notes it, and
    /// who waits for the peer's reader is told when that reads.
    mutating func hasMemory(free newFree: Int, of memory: Int) -> Bool {
        guard !queue.isEmpty else { return false }
        free = min(free, newFree)
        return free < memory / 2 && newFree &- free >= min(Self.worthwhile, memory / 8)
    }

    /// Notes that all were looked at.
    mutating func look(free: Int) { self.free = free }

    /// Four reads of a socket of the least size that is worth one.
    private static var worthwhile: Int { 65_536 }
}
