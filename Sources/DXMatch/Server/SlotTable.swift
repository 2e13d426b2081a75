/// Finds slots by hash: open addressing, linear probing, eight bytes for each place, no tombstones. What is in a slot is the
/// caller's to compare, so nothing is held twice.
///
/// Complexity: O(1) for hashes that nobody can choose (`SeededHash`). It doubles when three quarters are full, which at 800,000
/// takes about 15 ms, and never shrinks: a matchmaker that was full once will be again.
struct SlotTable: Sendable {
    /// High half: the low 32 bits of the hash. Low half: the slot, plus 1; 0 is empty.
    private var places: [UInt64]
    private var mask: Int
    /// The number of slots in it.
    private(set) var count = 0

    /// An empty table.
    init() {
        places = [UInt64](repeating: 0, count: 16)
        mask = 15
    }

    /// The slot with this hash for which `isIt` holds; nil if there is none.
    @inline(__always)
    func first(_ hash: UInt64, where isIt: (UInt32) -> Bool) -> UInt32? {
        let head = hash & 0xffff_ffff
        var index = Int(truncatingIfNeeded: head) & mask
        while true {
            let place = places[index]
            if place == 0 { return nil }
            if place &>> 32 == head {
                let slot = UInt32(truncatingIfNeeded: place) &- 1
                if isIt(slot) { return slot }
            }
            index = (index &+ 1) & mask
        }
    }

    /// Puts a slot in that is not there yet.
    mutating func insert(_ hash: UInt64, slot: UInt32) {
        if (count + 1) * 4 > places.count * 3 { grow() }
        count += 1
        put((hash & 0xffff_ffff) &<< 32 | (UInt64(slot) &+ 1))
    }

    /// Takes out a slot that is there (a programming error otherwise: traps).
    mutating func remove(_ hash: UInt64, slot: UInt32) {
        let wanted = (hash & 0xffff_ffff) &<< 32 | (UInt64(slot) &+ 1)
        var hole = Int(truncatingIfNeeded: hash & 0xffff_ffff) & mask
        while places[hole] != wanted {
            precondition(places[hole] != 0, "what is taken out of a table is there")
            hole = (hole &+ 1) & mask
        }
        // What follows without a gap and does not sit between its home and here moves up.
        var index = hole
        while true {
            index = (index &+ 1) & mask
            let place = places[index]
            if place == 0 { break }
            let home = Int(truncatingIfNeeded: place &>> 32) & mask
            if (index &- home) & mask >= (index &- hole) & mask {
                places[hole] = place
                hole = index
            }
        }
        places[hole] = 0
        count -= 1
    }

    /// The longest way from a home to the slot that belongs there. Looks at all of them: for tests.
    var longestProbe: Int {
        var longest = 0
        for (index, place) in places.enumerated() where place != 0 {
            longest = max(longest, (index &- Int(truncatingIfNeeded: place &>> 32)) & mask)
        }
        return longest
    }

    /// The bytes held.
    var byteCount: Int { places.capacity * 8 }

    private mutating func put(_ place: UInt64) {
        var index = Int(truncatingIfNeeded: place &>> 32) & mask
        while places[index] != 0 { index = (index &+ 1) & mask }
        places[index] = place
    }

    private mutating func grow() {
        let old = places
        places = [UInt64](repeating: 0, count: old.count * 2)
        mask = places.count - 1
        for place in old where place != 0 { put(place) }
    }
}
