internal import DXWire
internal import DequeModule

/// Whose data goes next: interactive streams first, in turn; then bulk streams by deficit round robin, each with a quantum
/// of its share times what a turn is worth (Shreedhar and Varghese, 1995).
///
/// Holds places of the stream table. A stream is in at most one queue, once (`Stream.isScheduled`).
struct StreamScheduler: Sendable {
    private var interactive: Deque<Int32> = []
    private var bulk: Deque<Int32> = []
    /// The sum of the shares of the bulk streams that wait.
    private(set) var bulkShares = 0

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

    /// The stream whose turn it is; nil when nothing waits.
    var front: Int32? { interactive.first ?? bulk.first }

    /// Takes the stream whose turn it is, with the share it was appended with, out of its queue.
    mutating func removeFront(share: UInt16) {
        if interactive.popFirst() == nil, bulk.popFirst() != nil { bulkShares &-= Int(share) }
    }

    /// Puts the stream whose turn it is behind the others of its class.
    mutating func rotate() {
        if let slot = interactive.popFirst() {
            interactive.append(slot)
        } else if let slot = bulk.popFirst() {
            bulk.append(slot)
        }
    }
}
