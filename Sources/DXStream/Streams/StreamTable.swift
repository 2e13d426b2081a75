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

    private(set) var slots: [Stream?] = []
    private var freeSlots: [Int32] = []
    private var places: [UInt64: Int32] = [:]
    /// The stream found last: frames come in runs.
    private var lastID: UInt64 = .max
    private var lastSlot: Int32 = 0
    /// The index of the next stream that the lower and the upper end will open.
    private var nextIndex: (lower: UInt64, upper: UInt64) = (0, 0)
    /// How many streams each end has opened that have not ended.
    private(set) var liveCount: (lower: Int, upper: Int) = (0, 0)

    /// How many streams there are.
    var count: Int { places.count }
    /// How many streams the end with this role has opened, ever.
    func openedCount(by role: ChannelRole) -> UInt64 { role == .lower ? nextIndex.lower : nextIndex.upper }
    /// How many streams the end with this role has opened that have not ended.
    func liveCount(of role: ChannelRole) -> Int { role == .lower ? liveCount.lower : liveCount.upper }

    /// The stream at a place, which must be in use (a programming error otherwise: traps).
    subscript(slot: Int32) -> Stream {
        get { slots[Int(slot)]! }
        _modify { yield &slots[Int(slot)]! }
    }

    /// Whether there is a stream at a place.
    func isUsed(_ slot: Int32) -> Bool { slot >= 0 && Int(slot) < slots.count && slots[Int(slot)] != nil }

    /// Whether the stream with this id is at this place.
    func holds(_ id: UInt64, at slot: Int32) -> Bool {
        slot >= 0 && Int(slot) < slots.count && slots[Int(slot)]?.id.rawValue == id
    }

    /// Finds a stream.
    mutating func find(_ id: StreamID) -> Lookup {
        if id.rawValue == lastID { return .found(lastSlot) }
        if let slot = places[id.rawValue] {
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
        places[stream.id.rawValue] = slot
        return slot
    }

    /// Forgets a stream that has ended.
    mutating func remove(at slot: Int32) {
        let id = self[slot].id
        places[id.rawValue] = nil
        if lastID == id.rawValue { lastID = .max }
        slots[Int(slot)] = nil
        freeSlots.append(slot)
        switch id.role {
        case .lower: liveCount.lower &-= 1
        case .upper: liveCount.upper &-= 1
        }
    }
}
