import DXWire

/// Things in use, in the order of their last use: who was idle for too long, and who is idle longest. Pure.
///
/// A list through the entries keeps the order, so every operation is O(1) but for `removeAll`, O(n). Memory is taken as entries
/// come, and kept for further ones.
struct IdleTable<Key: Hashable, Value> {
    /// An entry, and its neighbours in the order of use; -1 where there is none.
    private struct Slot {
        var key: Key
        var value: Value
        var usedAt: Instant
        var older: Int
        var newer: Int
    }

    /// How long something may be idle.
    var idleTimeout: Interval
    private var slots: [Slot?] = []
    private var free: [Int] = []
    private var places: [Key: Int] = [:]
    private var oldest = -1
    private var newest = -1

    /// An empty table.
    init(idleTimeout: Interval) { self.idleTimeout = idleTimeout }

    // MARK: State

    /// How many entries there are.
    var count: Int { places.count }
    /// Whether there is none.
    var isEmpty: Bool { places.isEmpty }
    /// All values, the one that was used last at the end.
    var values: [Value] {
        var result: [Value] = []
        var place = oldest
        while place >= 0, let slot = slots[place] {
            result.append(slot.value)
            place = slot.newer
        }
        return result
    }

    /// When the first one has been idle for too long; nil when there is none.
    var nextDeadline: Instant? { oldest < 0 ? nil : slots[oldest].map { $0.usedAt + idleTimeout } }

    /// The value of a key, which is not used by that; nil when there is none.
    subscript(key: Key) -> Value? { places[key].flatMap { slots[$0]?.value } }

    // MARK: Use

    /// The value of a key, which is in use now; nil when there is none.
    mutating func use(_ key: Key, now: Instant) -> Value? {
        guard let place = places[key] else { return nil }
        slots[place]?.usedAt = now
        if place != newest {
            unlink(place)
            linkNewest(place)
        }
        return slots[place]?.value
    }

    /// Adds a value, in use now. The key must be new (a programming error: traps).
    mutating func insert(_ value: Value, for key: Key, now: Instant) {
        let slot = Slot(key: key, value: value, usedAt: now, older: -1, newer: -1)
        let place: Int
        if let last = free.popLast() {
            place = last
            slots[place] = slot
        } else {
            place = slots.count
            slots.append(slot)
        }
        precondition(places.updateValue(place, forKey: key) == nil, "a key is added once")
        linkNewest(place)
    }

    // MARK: Ends

    /// Takes an entry out; nil when there is none.
    @discardableResult
    mutating func remove(_ key: Key) -> Value? {
        guard let place = places.removeValue(forKey: key), let slot = slots[place] else { return nil }
        unlink(place)
        slots[place] = nil
        free.append(place)
        return slot.value
    }

    /// Takes the next one out that was idle for too long; nil when there is none.
    mutating func removeIdle(now: Instant) -> Value? { removeOldest(idleFor: idleTimeout, now: now) }

    /// Takes the one out that is idle longest, if that is so long; nil otherwise.
    mutating func removeOldest(idleFor interval: Interval, now: Instant) -> Value? {
        guard oldest >= 0, let slot = slots[oldest], slot.usedAt + interval <= now else { return nil }
        return remove(slot.key)
    }

    /// Takes all of these out.
    mutating func removeAll(where isMeant: (Value) -> Bool) -> [Value] {
        var result: [Value] = []
        for slot in slots {
            if let slot, isMeant(slot.value) {
                remove(slot.key)
                result.append(slot.value)
            }
        }
        return result
    }

    // MARK: The order

    private mutating func unlink(_ place: Int) {
        guard let slot = slots[place] else { return }
        if slot.older >= 0 { slots[slot.older]?.newer = slot.newer } else { oldest = slot.newer }
        if slot.newer >= 0 { slots[slot.newer]?.older = slot.older } else { newest = slot.older }
    }

    private mutating func linkNewest(_ place: Int) {
        slots[place]?.older = newest
        slots[place]?.newer = -1
        if newest >= 0 { slots[newest]?.newer = place } else { oldest = place }
        newest = place
    }
}
