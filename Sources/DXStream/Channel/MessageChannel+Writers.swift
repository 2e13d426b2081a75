public import DXWire
internal import DequeModule

/// Who may write how much, and who is told that there is room again .
extension MessageChannel {
    /// How many bytes a stream takes now; 0 asks to be told by a `writable` event.
    public mutating func writableByteCount(_ id: StreamID) -> Int {
        guard case .found(let slot) = streams.find(id), inPlace(&streams[slot], { $0.send.acceptsWrites }) else {
            return 0
        }
        let room = writeRoom(slot)
        if room <= 0 && !streams[slot].isWriterWaiting { awaitRoom(slot) }
        return max(0, room)
    }

    private mutating func awaitRoom(_ slot: Int32) {
        streams[slot].isWriterWaiting = true
        guard !streams[slot].isInWriterQueue else { return }
        // Places that were woken alone, or freed, still stand there: they are taken out before they are most of it.
        if writers.queue.count > 2 &* streams.count &+ 64 { wakeWriters() }
        streams[slot].isInWriterQueue = true
        writers.queue.append(slot)
    }

    /// What all bulk streams together may hold that was never sent.
    private var writeAheadOfAll: Int { min(sendBudget / 2, max(bulkWindow, 262_144)) }

    /// How many bytes a stream may hold that were never sent. All bulk streams that have something to send divide a
    /// window among them by their shares, so that each has enough for its turns; those that wait for their peer's reader
    /// are not counted, and so take nothing from the others.
    private func writeAhead(_ slot: Int32) -> Int {
        switch streams[slot].streamClass {
        case .interactive: return min(writeAheadOfAll, Self.writeAheadOfPeer)
        case .bulk:
            let share = Int(streams[slot].share)
            let shares = scheduler.bulkShares &+ (streams[slot].isScheduled ? 0 : share)
            return max(writeAheadOfAll &* share / shares, Self.worthwhileWriteAhead)
        }
    }

    /// What of the memory for all streams is left.
    private var freeSendMemory: Int { max(sendBudget &- bufferedByteCount, 0) }

    /// How much more a stream may take. Beside `writeAhead`, the memory for all streams is bounded, and what a stream
    /// holds beyond the peer's limit: a slow reader must not fill the sender's memory.
    private func writeRoom(_ slot: Int32) -> Int {
        // Field by field: a copy of the stream would count references up and down for each of many that wait.
        let end = streams[slot].send.buffer.endOffset
        let beyondPeer = Int(clamping: Int64(bitPattern: end) &- Int64(bitPattern: streams[slot].send.peerMaximum))
        // Past the total, a stream that holds little still gets its minimum: a full neighbour must not silence it.
        return min(
            writeAhead(slot) &- streams[slot].send.unsentByteCount,
            max(freeSendMemory, Self.leastWriteAhead &- streams[slot].send.bufferedByteCount),
            Self.writeAheadOfPeer &- beyondPeer)
    }

    /// What a stream may hold at least while there is memory: below it sockets are read and written in bits, each of which
    /// costs as much as a large packet. With a thousand streams that is more than a window, and only bulk data waits for it.
    private static var worthwhileWriteAhead: Int { 16_384 }
    /// About three packets: what a stream may hold when the memory is used up, or it would have nothing to send in its turn.
    private static var leastWriteAhead: Int { 4_096 }
    /// What a stream may hold beyond the peer's limit, ready for when that rises: one read of a socket.
    private static var writeAheadOfPeer: Int { 65_536 }

    /// Notes that a stream's buffer shrank.
    mutating func noteShrunk(by count: Int, _ slot: Int32) {
        guard count > 0 else { return }
        bufferedByteCount &-= count
        noteWriter(slot)
    }

    /// Notes that a stream may have more room, as it sent, or as what it held arrived.
    mutating func noteWriter(_ slot: Int32) {
        guard streams[slot].isWriterWaiting, !streams[slot].isWriterNoted else { return }
        streams[slot].isWriterNoted = true
        writers.noted.append(slot)
    }

    /// Tells those writers that have room again, after something was sent or acknowledged.
    ///
    /// Those whose own stream moved are looked at; all of them only where memory was freed that held them back, as there
    /// may be a thousand, and acknowledgements come with every packet.
    mutating func wakeMovedWriters() {
        if writers.hasMemory(free: freeSendMemory, of: sendBudget) { return wakeWriters() }
        guard !writers.noted.isEmpty else { return }
        for index in writers.noted.indices { wakeWriter(writers.noted[index]) }
        writers.noted.removeAll(keepingCapacity: true)
    }

    /// Tells all writers that wait, in turn, when they have room.
    mutating func wakeWriters() {
        for index in writers.noted.indices where streams.isUsed(writers.noted[index]) {
            streams[writers.noted[index]].isWriterNoted = false
        }
        writers.noted.removeAll(keepingCapacity: true)
        var left = writers.queue.count
        while left > 0, let slot = writers.queue.popFirst() {
            left &-= 1
            guard streams.isUsed(slot), streams[slot].isInWriterQueue else { continue }
            wakeWriter(slot)
            streams[slot].isInWriterQueue = streams[slot].isWriterWaiting
            if streams[slot].isWriterWaiting { writers.queue.append(slot) }
        }
        writers.look(free: freeSendMemory)
    }

    /// Tells a writer that waits, when it has room for at least half of what it may hold.
    mutating func wakeWriter(_ slot: Int32) {
        guard streams.isUsed(slot) else { return }
        streams[slot].isWriterNoted = false
        guard streams[slot].isWriterWaiting else { return }
        let room = writeRoom(slot)
        let half = max(1, room &+ streams[slot].send.unsentByteCount) / 2
        guard room > 0, room >= min(Self.worthwhileWriteAhead, half) else { return }
        streams[slot].isWriterWaiting = false
        events.append(.writable(streams[slot].id))
    }
}
