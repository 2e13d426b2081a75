internal import DXWire

/// The streams of a channel, in places that stay put while they live.
///
/// A stream is found by id once per frame, and by place from then on. Ids rise, so one below the next that is not in the
/// table has ended: frames for it are old news.
struct StreamTable: Sendable {
    /// What an id stands for.
    enum Lookup: Equatable {
        /// A stream in the table.
        case found(Int32)
        /// A stream that has ended.
        case ended
        /// A stream that its opener has not opened.
        case unknown
    }

    /// With `vacant` in free places, not nil: reading one field of an optional reads, and may copy, the whole stream.
    private var slots: [Stream] = []
    private var freeSlots: [Int32] = []
    private var placeOf: [UInt64: Int32] = [:]
    /// The stream found last: frames come in runs.
    private var lastID: UInt64 = noID
    private var lastSlot: Int32 = 0
    /// The index of the next stream that the lower and the upper end will open.
    private var nextIndex: (lower: UInt64, upper: UInt64) = (0, 0)
    /// How many streams each end has opened that have not ended.
    private(set) var liveCount: (lower: Int, upper: Int) = (0, 0)

    /// How many streams there are.
    var count: Int { placeOf.count }
    /// How many streams the end with this role has opened, ever.
    func openedCount(by role: ChannelRole) -> UInt64 { role == .lower ? nextIndex.lower : nextIndex.upper }
    /// How many streams the end with this role has opened that have not ended.
    func liveCount(of role: ChannelRole) -> Int { role == .lower ? liveCount.lower : liveCount.upper }

    /// The stream at a place, which must be in use (a programming error otherwise: traps).
    subscript(slot: Int32) -> Stream {
        get {
            precondition(slots[Int(slot)].id.rawValue != Self.noID, "a stream is there")
            return slots[Int(slot)]
        }
        _modify {
            precondition(slots[Int(slot)].id.rawValue != Self.noID, "a stream is there")
            yield &slots[Int(slot)]
        }
    }

    /// All places, of which some may be free.
    var places: Range<Int32> { 0..<Int32(slots.count) }

    /// Whether there is a stream at a place.
    func isUsed(_ slot: Int32) -> Bool {
        slot >= 0 && Int(slot) < slots.count && slots[Int(slot)].id.rawValue != Self.noID
    }

    /// Whether the stream with this id is at this place.
    func holds(_ id: UInt64, at slot: Int32) -> Bool {
        slot >= 0 && Int(slot) < slots.count && slots[Int(slot)].id.rawValue == id
    }

    /// Larger than any id may be.
    private static var noID: UInt64 { .max }
    /// What is in a free place.
    private static let vacant = Stream(
        id: StreamID(rawValue: noID), internalPort: 0, streamClass: .bulk, share: 1, opening: .done,
        send: SendStream(peerMaximum: 0), receive: ReceiveStream(window: 0, maximumWindow: 0))

    /// Finds a stream.
    mutating func find(_ id: StreamID) -> Lookup {
        if id.rawValue == lastID { return .found(lastSlot) }
        if let slot = placeOf[id.rawValue] {
            lastID = id.rawValue
            lastSlot = slot
            return .found(slot)
        }
        return id.index < openedCount(by: id.role) ? .ended : .unknown
    }

    /// Puts a stream into the table: the next that its opener opens.
    mutating func insert(_ stream: Stream) -> Int32 {
        precondition(stream.id.index == openedCount(by: stream.id.role), "streams are opened in order")
        switch stream.id.role {
        case .lower:
            nextIndex.lower &+= 1
            liveCount.lower &+= 1
        case .upper:
            nextIndex.upper &+= 1
            liveCount.upper &+= 1
        }
        let slot: Int32
        if let free = freeSlots.popLast() {
            slot = free
            slots[Int(slot)] = stream
        } else {
            slot = Int32(slots.count)
            slots.append(stream)
        }
        placeOf[stream.id.rawValue] = slot
        return slot
    }

    /// Forgets a stream that has ended.
    mutating func remove(at slot: Int32) {
        let id = self[slot].id
        placeOf[id.rawValue] = nil
        if lastID == id.rawValue { lastID = Self.noID }
        slots[Int(slot)] = Self.vacant
        freeSlots.append(slot)
        switch id.role {
        case .lower: liveCount.lower &-= 1
        case .upper: liveCount.upper &-= 1
        }
    }
}
