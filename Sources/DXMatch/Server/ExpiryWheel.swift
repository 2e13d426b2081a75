import DXWire

/// When registrations end: a list for each second of the longest lifetime and some, each a chain through the registrations'
/// own slots. A refresh moves nothing: a registration whose second comes while it still lives goes into the list of its new
/// second. So each is looked at once in its lifetime, and nothing is ever searched.
struct ExpiryWheel: Sendable {
    /// Lists: more than the longest lifetime has seconds, so that no list holds two rounds. A power of two.
    static let seconds = 8_192

    private var heads = [UInt32](repeating: Registration.none, count: Self.seconds)
    /// The second whose list is next.
    private var turn: Int64 = 0
    private var count = 0

    /// When the next list is due. The wheel turns each second while anything is in it.
    var nextTurn: Instant { Instant.zero + .seconds(turn) }

    /// The bytes held.
    var byteCount: Int { heads.capacity * 4 }

    /// Puts a slot into the list of the second in which it ends.
    mutating func insert(_ slot: UInt32, in slots: inout SlotStore<Registration>, now: Instant) {
        // An empty wheel stood still.
        if count == 0 { turn = now.nanoseconds / 1_000_000_000 + 1 }
        count += 1
        link(slot, in: &slots)
    }

    /// Puts a slot into another list, where its end is now earlier.
    mutating func move(_ slot: UInt32, in slots: inout SlotStore<Registration>) {
        unlink(slot, in: &slots)
        link(slot, in: &slots)
    }

    /// Takes a slot out.
    mutating func remove(_ slot: UInt32, in slots: inout SlotStore<Registration>) {
        unlink(slot, in: &slots)
        count -= 1
    }

    /// The next slot that has ended at `now`; its owner removes it. `budget` counts down with each slot or list looked at.
    mutating func nextExpired(in slots: inout SlotStore<Registration>, now: Instant, budget: inout Int) -> UInt32? {
        guard count > 0 else { return nil }
        let second = now.nanoseconds / 1_000_000_000
        while turn <= second {
            while heads[Self.list(turn)] != Registration.none {
                guard budget > 0 else { return nil }
                budget -= 1
                let slot = heads[Self.list(turn)]
                if slots[slot].expiresAt <= now { return slot }
                move(slot, in: &slots)
            }
            turn += 1
        }
        return nil
    }

    private mutating func link(_ slot: UInt32, in slots: inout SlotStore<Registration>) {
        // The first whole second at which it has ended, but none that was already looked at, and none of another round: while
        // the wheel lags behind the time, an end may be that far from it, and is looked at again on the way.
        let end = (slots[slot].expiresAt.nanoseconds + 999_999_999) / 1_000_000_000
        let list = Self.list(min(max(end, turn), turn + Int64(Self.seconds) - 1))
        slots[slot].previous = Self.listMark | UInt32(list)
        slots[slot].next = heads[list]
        if heads[list] != Registration.none { slots[heads[list]].previous = slot }
        heads[list] = slot
    }

    private mutating func unlink(_ slot: UInt32, in slots: inout SlotStore<Registration>) {
        let (next, previous) = (slots[slot].next, slots[slot].previous)
        if next != Registration.none { slots[next].previous = previous }
        if previous & Self.listMark != 0 {
            heads[Int(previous & ~Self.listMark)] = next
        } else {
            slots[previous].next = next
        }
    }

    /// The bit of `previous` that says: the first of the list with this number. Slots are below 2^31.
    private static let listMark: UInt32 = 1 << 31

    private static func list(_ second: Int64) -> Int { Int(second) & (seconds - 1) }
}
