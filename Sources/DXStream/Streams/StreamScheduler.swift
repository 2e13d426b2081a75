internal import DXWire
internal import DequeModule

/// Whose data goes next: interactive streams first, in turn; then bulk streams by deficit round robin, each with a quantum
/// of its share times what a turn is worth (Shreedhar and Varghese, 1995).
///
/// What is interactive is small: a transfer through an interactive stream must not keep all others from sending for as long as it
/// lasts. So while bulk waits interactive streams are ahead of it by `mostAhead` bytes at most, and beyond that bulk gets a quarter.
///
/// Holds places of the stream table. A stream is in at most one queue, once (`Stream.isScheduled`).
struct StreamScheduler: Sendable {
    private var interactive: Deque<Int32> = []
    private var bulk: Deque<Int32> = []
    /// The sum of the shares of the bulk streams that wait.
    private(set) var bulkShares = 0
    /// How many bytes more interactive streams have sent than three times those of bulk, since bulk began to wait.
    private var ahead = 0

    /// 64 KiB: a screen that is drawn anew, and four times what a turn is worth at most.
    static let mostAhead = 65_536
    /// For each byte of bulk interactive streams may send three.
    private static let ratio = 3

    /// What a share of 1 may send in a round, in bytes: what the pacing rate gives in 50 µs, so that a round of a hundred
    /// streams takes 5 ms. At least about a datagram, so that no round gives less than one frame; at most a large packet,
    /// beyond which a turn costs nothing any more.
    static func quantum(bytesPerSecond: UInt64) -> Int { Int(min(max(bytesPerSecond / 20_000, 1_500), 16_384)) }

    /// Whether nothing waits.
    var isEmpty: Bool { interactive.isEmpty && bulk.isEmpty }
    /// Whether an interactive stream waits.
    var hasInteractive: Bool { !interactive.isEmpty }

    /// Puts a stream at the end of its queue.
    mutating func append(_ slot: Int32, streamClass: StreamClass, share: UInt16) {
        switch streamClass {
        case .interactive: interactive.append(slot)
        case .bulk:
            bulk.append(slot)
            bulkShares &+= Int(share)
        }
    }

    /// Whether bulk has been waiting for too much that is interactive.
    private var isBulksTurn: Bool { ahead >= Self.mostAhead && !bulk.isEmpty }

    /// The stream whose turn it is; nil when nothing waits.
    var front: Int32? { isBulksTurn ? bulk.first : interactive.first ?? bulk.first }

    /// The stream whose turn it is has sent so much.
    mutating func sent(_ count: Int, isBulk: Bool) {
        if isBulk {
            ahead = max(0, ahead - count * Self.ratio)
        } else {
            ahead = bulk.isEmpty ? 0 : ahead + count
        }
    }

    /// Takes the first stream of a class, with the share it was appended with, out of its queue.
    mutating func removeFront(isBulk: Bool, share: UInt16) {
        if isBulk {
            if bulk.popFirst() != nil { bulkShares &-= Int(share) }
        } else {
            _ = interactive.popFirst()
        }
    }

    /// Puts the first stream of a class behind the others.
    mutating func rotate(isBulk: Bool) {
        if isBulk {
            if let slot = bulk.popFirst() { bulk.append(slot) }
        } else if let slot = interactive.popFirst() {
            interactive.append(slot)
        }
    }
}
