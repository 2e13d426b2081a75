import DXWire

/// The time that a matchmaker takes to answer, and how long to wait before asking again (RFC 6298, with bounds of our own). Each
/// request has a number of its own, so every sample is exact.
struct RoundTripTime: Sendable, BitwiseCopyable {
    /// Nil before the first sample.
    private(set) var smoothed: Interval?
    private var variation = Interval.zero

    /// Before anything is known: longer than most round trips, short for a human.
    static let initial = Interval.milliseconds(500)
    /// A matchmaker checks signatures and may be busy.
    static let least = Interval.milliseconds(250)
    /// Beyond it repetition takes over.
    static let most = Interval.seconds(3)

    /// How long an answer is waited for.
    var timeout: Interval {
        guard let smoothed else { return Self.initial }
        return min(max(smoothed + variation * 4, Self.least), Self.most)
    }

    /// How long before the `attempt`th repetition (0 is the first): doubling, at most four seconds.
    func timeout(attempt: Int) -> Interval {
        min(timeout * (1 &<< Int64(max(0, min(attempt, 6)))), .seconds(4))
    }

    /// An answer took this long.
    mutating func take(_ sample: Interval) {
        let sample = max(sample, .zero)
        guard let before = smoothed else {
            smoothed = sample
            variation = sample / 2
            return
        }
        let difference = Interval(nanoseconds: Int64(clamping: (before - sample).nanoseconds.magnitude))
        variation = (variation * 3 + difference) / 4
        smoothed = (before * 7 + sample) / 8
    }
}
