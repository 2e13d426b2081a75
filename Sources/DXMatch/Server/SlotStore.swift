/// Values in slots that stay where they are: pieces of 1,024, so that it grows without copying what it holds, and a list of free
/// slots. A free slot holds what it held.
///
/// Complexity: O(1). Never shrinks.
struct SlotStore<Element: Sendable>: Sendable {
    private static var shift: Int { 10 }
    private static var mask: Int { 1 << shift - 1 }

    private var pieces: [[Element]] = []
    private var free: [UInt32] = []
    private var end = 0

    /// The number of slots in use.
    var count: Int { end - free.count }
    /// Every slot ever used is below it.
    var bound: UInt32 { UInt32(end) }

    /// What is in a slot that is in use.
    subscript(slot: UInt32) -> Element {
        _read { yield pieces[Int(slot) &>> Self.shift][Int(slot) & Self.mask] }
        _modify { yield &pieces[Int(slot) &>> Self.shift][Int(slot) & Self.mask] }
    }

    /// Puts a value into a free slot.
    mutating func insert(_ element: Element) -> UInt32 {
        if let slot = free.popLast() {
            self[slot] = element
            return slot
        }
        if end & Self.mask == 0 {
            pieces.append([])
            pieces[pieces.count - 1].reserveCapacity(1 << Self.shift)
        }
        pieces[end &>> Self.shift].append(element)
        end += 1
        return UInt32(end - 1)
    }

    /// Frees a slot in use.
    mutating func remove(_ slot: UInt32) { free.append(slot) }

    /// The bytes held, but for what the values themselves point to.
    var byteCount: Int { pieces.count * (MemoryLayout<Element>.stride &<< Self.shift) + free.capacity * 4 }
}
