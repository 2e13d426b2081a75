/// A set of 64-bit numbers kept as sorted, disjoint, non-adjacent half-open ranges: packet numbers received, bytes
/// acknowledged, bytes to send again.
///
/// Sets here are nearly contiguous: few ranges, changes near the end. Insertion at the end is O(1), anywhere O(log n)
/// to find and O(n) to move. Steady use allocates nothing once the array has grown. The owner bounds `rangeCount`.
struct RangeSet: Sendable, Equatable {
    /// Sorted by lower bound; never empty ranges, never two that touch.
    private(set) var ranges: [Range<UInt64>] = []

    /// No numbers.
    init() {}

    /// Whether there are no numbers.
    var isEmpty: Bool { ranges.isEmpty }
    /// How many ranges there are.
    var rangeCount: Int { ranges.count }
    /// The smallest number.
    var first: UInt64? { ranges.first?.lowerBound }
    /// The largest number.
    var last: UInt64? { ranges.last.map { $0.upperBound &- 1 } }
    /// The lowest range.
    var firstRange: Range<UInt64>? { ranges.first }

    /// The index of the first range that ends after `number`; `rangeCount` when there is none.
    private func index(endingAfter number: UInt64) -> Int {
        if let last = ranges.last, last.upperBound <= number { return ranges.count }
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low &+ high) / 2
            if ranges[middle].upperBound <= number { low = middle &+ 1 } else { high = middle }
        }
        return low
    }

    /// Whether `number` is in the set.
    func contains(_ number: UInt64) -> Bool {
        let index = index(endingAfter: number)
        return index < ranges.count && ranges[index].lowerBound <= number
    }

    /// Whether all of `range` is in the set; true for an empty range.
    func contains(_ range: Range<UInt64>) -> Bool {
        if range.isEmpty { return true }
        let index = index(endingAfter: range.lowerBound)
        return index < ranges.count && ranges[index].lowerBound <= range.lowerBound
            && range.upperBound <= ranges[index].upperBound
    }

    /// Adds all of `range`; returns how many of its numbers were new.
    @discardableResult
    mutating func insert(_ range: Range<UInt64>) -> UInt64 {
        if range.isEmpty { return 0 }
        // The common cases: beyond the end, or growing the last range.
        if let last = ranges.last {
            if last.upperBound < range.lowerBound {
                ranges.append(range)
                return range.upperBound &- range.lowerBound
            }
            if last.upperBound == range.lowerBound {
                ranges[ranges.count &- 1] = last.lowerBound..<range.upperBound
                return range.upperBound &- range.lowerBound
            }
        } else {
            ranges.append(range)
            return range.upperBound &- range.lowerBound
        }
        // The first range that touches or follows: one that ends at range.lowerBound touches too.
        let first = range.lowerBound == 0 ? 0 : index(endingAfter: range.lowerBound &- 1)
        var end = first
        var covered: UInt64 = 0
        var lower = range.lowerBound
        var upper = range.upperBound
        while end < ranges.count, ranges[end].lowerBound <= range.upperBound {
            let other = ranges[end]
            let overlapLower = max(other.lowerBound, range.lowerBound)
            let overlapUpper = min(other.upperBound, range.upperBound)
            if overlapLower < overlapUpper { covered &+= overlapUpper &- overlapLower }
            lower = min(lower, other.lowerBound)
            upper = max(upper, other.upperBound)
            end &+= 1
        }
        if first == end {
            ranges.insert(range, at: first)
        } else {
            ranges[first] = lower..<upper
            if end > first &+ 1 { ranges.removeSubrange((first &+ 1)..<end) }
        }
        return range.upperBound &- range.lowerBound &- covered
    }

    /// Takes all of `range` out.
    mutating func remove(_ range: Range<UInt64>) {
        if range.isEmpty { return }
        var index = index(endingAfter: range.lowerBound)
        while index < ranges.count, ranges[index].lowerBound < range.upperBound {
            let other = ranges[index]
            let keepsLeft = other.lowerBound < range.lowerBound
            let keepsRight = other.upperBound > range.upperBound
            switch (keepsLeft, keepsRight) {
            case (true, true):
                ranges[index] = other.lowerBound..<range.lowerBound
                ranges.insert(range.upperBound..<other.upperBound, at: index &+ 1)
                return
            case (true, false):
                ranges[index] = other.lowerBound..<range.lowerBound
                index &+= 1
            case (false, true):
                ranges[index] = range.upperBound..<other.upperBound
                return
            case (false, false):
                ranges.remove(at: index)
            }
        }
    }

    /// Takes out all numbers below `bound`.
    mutating func removeAll(below bound: UInt64) {
        guard let first = ranges.first, first.lowerBound < bound else { return }
        let index = index(endingAfter: bound)
        ranges.removeSubrange(0..<index)
        if let first = ranges.first, first.lowerBound < bound { ranges[0] = bound..<first.upperBound }
    }

    /// Takes out the lowest ranges until at most `count` are left.
    mutating func keepHighest(_ count: Int) {
        if ranges.count > count { ranges.removeFirst(ranges.count - count) }
    }

    /// Takes out everything.
    mutating func removeAll() { ranges.removeAll(keepingCapacity: true) }

    /// The lowest part of `range`, from `position` on, that is not in the set; nil when there is none.
    func firstGap(in range: Range<UInt64>, from position: UInt64) -> Range<UInt64>? {
        var start = max(range.lowerBound, position)
        guard start < range.upperBound else { return nil }
        var index = index(endingAfter: start)
        while index < ranges.count, ranges[index].lowerBound <= start {
            start = ranges[index].upperBound
            index &+= 1
            if start >= range.upperBound { return nil }
        }
        let end = index < ranges.count ? min(ranges[index].lowerBound, range.upperBound) : range.upperBound
        return start..<end
    }
}
