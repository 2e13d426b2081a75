/// A first-in first-out store whose elements keep the number they were appended under: the packets in flight by packet
/// number, the obligations they carry by count. Power-of-two storage, O(1) everywhere, no allocation in steady state.
struct RingBuffer<Element: BitwiseCopyable & Sendable>: Sendable {
    /// The number of the first element held.
    private(set) var firstIndex: UInt64
    /// The number that the next appended element gets.
    private(set) var endIndex: UInt64
    private var storage: [Element] = []
    private var mask: UInt64 = 0
    private let filler: Element

    /// An empty store whose first element will have the number `firstIndex`. `filler` fills unused places.
    init(firstIndex: UInt64 = 0, filler: Element) {
        self.firstIndex = firstIndex
        endIndex = firstIndex
        self.filler = filler
    }

    /// How many elements are held.
    var count: Int { Int(endIndex &- firstIndex) }
    /// Whether nothing is held.
    var isEmpty: Bool { firstIndex == endIndex }
    /// Whether the element with this number is held.
    func holds(_ index: UInt64) -> Bool { index >= firstIndex && index < endIndex }

    /// The element with a number that is held (a programming error otherwise: traps).
    subscript(index: UInt64) -> Element {
        get {
            precondition(holds(index), "the ring holds this number")
            return storage[Int(truncatingIfNeeded: index & mask)]
        }
        _modify {
            precondition(holds(index), "the ring holds this number")
            yield &storage[Int(truncatingIfNeeded: index & mask)]
        }
    }

    /// Appends an element; it gets the number `endIndex`.
    mutating func append(_ element: Element) {
        if count == storage.count { grow() }
        storage[Int(truncatingIfNeeded: endIndex & mask)] = element
        endIndex &+= 1
    }

    /// Forgets the first `amount` elements, which must be held.
    mutating func removeFirst(_ amount: Int = 1) {
        precondition(amount <= count, "only what is held is removed")
        firstIndex &+= UInt64(amount)
    }

    private mutating func grow() {
        let capacity = max(16, storage.count * 2)
        var larger = [Element](repeating: filler, count: capacity)
        let largerMask = UInt64(capacity - 1)
        var index = firstIndex
        while index < endIndex {
            larger[Int(index & largerMask)] = storage[Int(index & mask)]
            index &+= 1
        }
        storage = larger
        mask = largerMask
    }
}
