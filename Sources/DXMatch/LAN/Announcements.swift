import DXWire

/// When a gateway says where it is: three times at first, then seldom, oftener while somebody is looked for. A machine; time and
/// randomness are arguments.
struct Announcements: Sendable {
    /// When the next one is due.
    private(set) var nextAt: Instant
    /// Of the present row of quick ones.
    private var count = 0
    private var pause = LANConstants.searchPause
    private var hurriedAt: Instant

    /// The first one is due then.
    init(now: Instant) {
        nextAt = now
        hurriedAt = now
    }

    /// One goes out now.
    mutating func sent(isSearching: Bool, random: inout RandomSource, now: Instant) {
        count += 1
        if count < LANConstants.firstCount {
            nextAt = now + LANConstants.firstPause * Int64(count)
            return
        }
        pause = isSearching ? min(pause * 2, LANConstants.idlePause) : LANConstants.idlePause
        // Up to a quarter less: gateways that power came back to together do not speak in step for ever.
        nextAt = now + pause - Interval(nanoseconds: Int64(random.below(UInt64(pause.nanoseconds / 4))))
    }

    /// Somebody else is looked for, or the network is another one: a new row begins, at once unless one has begun just now.
    mutating func hurry(now: Instant) {
        let start = max(now, hurriedAt + LANConstants.hurryPause)
        guard start < nextAt else { return }
        nextAt = start
        hurriedAt = start
        count = 0
        pause = LANConstants.searchPause
    }
}
