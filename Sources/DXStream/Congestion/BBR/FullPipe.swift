/// Notices that sending faster no longer delivers faster: the pipe is full (BBR draft §5.3.1.2). Three rounds with less
/// than a quarter of growth; fewer could be one burst of other traffic, or a receive window about to grow.
struct FullPipe: Sendable, BitwiseCopyable {
    /// The present search found the pipe full (BBR.full_bw_now).
    private(set) var isFullNow = false
    /// Bytes per second that growth is measured against.
    private(set) var baseline = 0.0
    private var flatRounds = 0

    private static let growth = 1.25
    private static let roundLimit = 3
    private static let queuedRoundLimit = 1

    /// A new search; it is growth to pass `baseline` by a quarter.
    mutating func restart(baseline: Double = 0) {
        isFullNow = false
        self.baseline = baseline
        flatRounds = 0
    }

    /// A round ended whose newest sample was `rate`, not limited by the application. True when that was growth. Behind a
    /// queue that stood for all of the round one is enough: the delay says the same.
    mutating func onRound(rate: Double, hasQueue: Bool) -> Bool {
        guard !isFullNow else { return false }
        if rate >= baseline * Self.growth {
            restart(baseline: rate)
            return true
        }
        flatRounds += 1
        isFullNow = flatRounds >= (hasQueue ? Self.queuedRoundLimit : Self.roundLimit)
        return false
    }
}
