import DXWire

/// When a file may be written whose loss costs little: flash wears, so in the long run once an hour. A machine; time is an
/// argument.
///
/// What changes within `settleTime` is written together; the first `burst` writes need not wait for each other, so that what a new
/// gateway learns in its first minutes is kept.
struct WritePace: Sendable {
    /// When something to be written came, and how long it may wait for more.
    private var wantedAt: Instant?
    /// When all that was written is paid for, an hour for each (GCRA).
    private var paidAt: Instant

    /// One write an hour wears no flash: 9,000 a year.
    static let interval = Interval.seconds(3_600)
    /// Writes that need not wait for each other.
    static let burst: Int64 = 4
    /// What comes within this time is written together.
    static let settleTime = Interval.seconds(30)

    /// Nothing was written yet.
    init(now: Instant) { paidAt = now }

    /// When the next write is due; nil while there is nothing to write.
    var due: Instant? { wantedAt.map { max($0, paidAt - Self.interval * (Self.burst - 1)) } }

    /// Something is to be written; `isUrgent` when it does not wait for more.
    mutating func want(isUrgent: Bool = false, now: Instant) {
        let time = isUrgent ? now : now + Self.settleTime
        wantedAt = min(wantedAt ?? time, time)
    }

    /// All is being written.
    mutating func wrote(now: Instant) {
        wantedAt = nil
        paidAt = max(paidAt, now) + Self.interval
    }
}
