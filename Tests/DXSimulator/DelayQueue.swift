internal import DXWire

/// Datagrams held back until a time each, in order of that time; those of the same time in order of arrival.
///
/// A sorted array: the queues of a simulation are short, and most insertions go to the end.
struct DelayQueue {
    private var entries: [(due: Instant, datagram: Datagram)] = []
    private var head = 0

    /// The number of datagrams held back.
    var count: Int { entries.count - head }

    /// When the first one is due.
    var nextDue: Instant? { head < entries.count ? entries[head].due : nil }

    /// Holds `datagram` back until `due`.
    mutating func insert(_ datagram: Datagram, due: Instant) {
        var index = entries.count
        while index > head && entries[index - 1].due > due { index -= 1 }
        entries.insert((due, datagram), at: index)
    }

    /// Appends those due by `now` to `output`.
    mutating func removeDue(now: Instant, output: inout [Datagram]) {
        while head < entries.count && entries[head].due <= now {
            output.append(entries[head].datagram)
            head += 1
        }
        // Compact when half is gone, so that removal costs a constant on average.
        if head > 32 && head * 2 > entries.count {
            entries.removeFirst(head)
            head = 0
        }
    }
}
