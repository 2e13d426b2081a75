import DXWire

/// A notice on its way (`docs/matchmaking.md` §4.2): what it says, and to whom.
struct PendingNotice: Sendable {
    /// The registration it is for. Whoever registers anew under another handle has no use for it.
    var handle: Handle
    /// Its number, counted for that registration.
    var number: UInt32
    /// What it says; the blob is beside it.
    var notice: MatchNotice
    /// The blob of who asked.
    var blob: [UInt8]
    fileprivate var queuedAt: Instant
    fileprivate var sendings = 0
    /// Counts the notices that were in this slot, so that what still waits for one of before knows.
    fileprivate var serial: UInt32 = 0
    fileprivate var isUsed = true
}

/// The notices that were not acknowledged: each is sent at once, after 250 ms and after 750 ms. Three sendings that are lost
/// together are a path that is dead; more would only make what one request can cause larger.
///
/// Each delay is a line of its own, in which all wait equally long: the head of a line is always its earliest. Bounded.
/// Complexity: O(1).
struct NoticeQueue: Sendable {
    private struct Waiting: Sendable, BitwiseCopyable {
        var slot: UInt32
        var serial: UInt32
        var dueAt: Instant
    }

    /// When each sending is due, counted from when the notice was queued.
    static let delays: [Interval] = [.zero, .milliseconds(250), .milliseconds(750)]

    private let capacity: Int
    private let hash: SeededHash
    private var notices = SlotStore<PendingNotice>()
    private var byNumber = SlotTable()
    private var lines = [Line<Waiting>](repeating: Line(), count: 3)
    private var nextSerial: UInt32 = 0

    /// An empty queue for `capacity` notices.
    init(capacity: Int, seed: Block32) {
        self.capacity = capacity
        hash = SeededHash(seed: seed)
    }

    /// The notices that are not done.
    var count: Int { notices.count }
    /// Whether one more fits.
    var hasRoom: Bool { notices.count < capacity }

    /// When the next sending is due; nil when nothing waits.
    var nextDue: Instant? {
        var earliest: Instant?
        for line in lines {
            guard let due = line.first?.dueAt else { continue }
            earliest = min(earliest ?? due, due)
        }
        return earliest
    }

    /// Queues a notice; there must be room.
    mutating func insert(_ handle: Handle, number: UInt32, _ notice: MatchNotice, blob: [UInt8], now: Instant) {
        var pending = PendingNotice(handle: handle, number: number, notice: notice, blob: blob, queuedAt: now)
        pending.serial = nextSerial
        nextSerial &+= 1
        let slot = notices.insert(pending)
        byNumber.insert(hash(handle.rawValue, UInt64(number)), slot: slot)
        lines[0].append(Waiting(slot: slot, serial: pending.serial, dueAt: now))
    }

    /// The registration has the notice: it is not sent again. Whether it was there.
    @discardableResult
    mutating func acknowledge(_ handle: Handle, number: UInt32) -> Bool {
        let slot = byNumber.first(hash(handle.rawValue, UInt64(number))) {
            notices[$0].handle == handle && notices[$0].number == number
        }
        guard let slot else { return false }
        remove(slot)
        return true
    }

    /// The next notice whose sending is due at `now`; it counts as sent.
    mutating func next(now: Instant) -> PendingNotice? {
        for index in lines.indices {
            while let waiting = lines[index].first, waiting.dueAt <= now {
                lines[index].removeFirst()
                let slot = waiting.slot
                guard notices[slot].isUsed, notices[slot].serial == waiting.serial else { continue }
                notices[slot].sendings += 1
                let pending = notices[slot]
                if pending.sendings < Self.delays.count {
                    let due = pending.queuedAt + Self.delays[pending.sendings]
                    lines[pending.sendings].append(Waiting(slot: slot, serial: pending.serial, dueAt: due))
                } else {
                    remove(slot)
                }
                return pending
            }
        }
        return nil
    }

    private mutating func remove(_ slot: UInt32) {
        byNumber.remove(hash(notices[slot].handle.rawValue, UInt64(notices[slot].number)), slot: slot)
        notices[slot].isUsed = false
        notices[slot].blob = []
        notices.remove(slot)
    }
}
