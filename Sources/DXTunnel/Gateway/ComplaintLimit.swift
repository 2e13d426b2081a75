import DXWire

/// How much of what one peer, or one tunnel's clients, can bring about again and again is logged: 20 lines at once, then one
/// a second, so that nobody fills a disk with a gateway's log. What is left out is counted, and the next line says so.
struct ComplaintLimit {
    private var bucket = TokenBucket(perSecond: 1, burst: 20)
    private var leftOut: UInt64 = 0

    /// Whether a line may be written at `now`, and how many were left out before it.
    mutating func take(now: Instant) -> (isAllowed: Bool, leftOut: UInt64) {
        guard bucket.take(now: now) else {
            leftOut &+= 1
            return (false, 0)
        }
        defer { leftOut = 0 }
        return (true, leftOut)
    }
}
