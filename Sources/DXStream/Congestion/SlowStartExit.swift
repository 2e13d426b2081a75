import DXWire

/// Leaves slow start before the queue overflows: HyStart++ (RFC 9406).
///
/// When the smallest round trip of a round is clearly above the round before, a queue is building up. Slow start then
/// turns *conservative* (CSS): a quarter of the growth, for up to five rounds. If the round trip falls back meanwhile the
/// rise was jitter, and slow start resumes; if not, slow start is over. It runs in the first slow start only (§4.3: later
/// ones have a threshold to stop at).
///
/// A *round* is the packets up to the largest one that was sent when the round began.
struct SlowStartExit: Sendable, BitwiseCopyable {
    /// How the window grows.
    enum Phase: Sendable { case standard, conservative }

    private(set) var phase = Phase.standard
    /// The last packet of this round; nil before the first sample.
    private var roundEnd: UInt64?
    /// Smallest sample of the round before this; `.max` when it had none.
    private var previousMinimum = Interval.max
    /// Smallest sample of this round; `.max` when it has none.
    private var currentMinimum = Interval.max
    /// Smallest sample of the round in which CSS began.
    private var baseline = Interval.max
    /// Samples in this round, up to `sampleThreshold`.
    private var sampleCount = 0
    /// Rounds of CSS that are over; the one in which it began counts too.
    private var conservativeRounds = 0

    // The numbers of RFC 9406 §4.3.

    /// MIN_RTT_THRESH: smaller rises are noise of the hosts.
    private static let smallestRise = Interval.milliseconds(4)
    /// MAX_RTT_THRESH: more than this is a queue on any path.
    private static let largestRise = Interval.milliseconds(16)
    /// MIN_RTT_DIVISOR: between the two, an eighth of the round trip.
    private static let riseDivisor: Int64 = 8
    /// N_RTT_SAMPLE: fewer samples say nothing about a round's minimum.
    private static let sampleThreshold = 8
    /// CSS_GROWTH_DIVISOR.
    private static let conservativeDivisor = 4
    /// CSS_ROUNDS.
    private static let conservativeRoundLimit = 5

    /// By how much the window grows for `bytes` acknowledged (RFC 9406 §4.2, L unlimited: packets are paced).
    func growth(for bytes: Int) -> Int {
        switch phase {
        case .standard: bytes
        case .conservative: bytes / Self.conservativeDivisor
        }
    }

    /// Takes in the round trip of packet `largestAcknowledged`; `largestSent` is where a round that begins now ends.
    /// True when slow start is over.
    mutating func onRTTSample(_ sample: Interval, largestAcknowledged: UInt64, largestSent: UInt64) -> Bool {
        guard let end = roundEnd else {
            beginRound(endingAt: largestSent)
            count(sample)
            return false
        }
        if largestAcknowledged > end {
            if phase == .conservative {
                conservativeRounds += 1
                if conservativeRounds >= Self.conservativeRoundLimit { return true }
            }
            beginRound(endingAt: largestSent)
        }
        count(sample)
        judge()
        return false
    }

    /// Forgets the rounds, not the phase: packet numbers began anew, or samples were missed meanwhile.
    mutating func forgetRounds() {
        roundEnd = nil
        previousMinimum = .max
        currentMinimum = .max
        sampleCount = 0
    }

    private mutating func beginRound(endingAt largestSent: UInt64) {
        roundEnd = largestSent
        previousMinimum = currentMinimum
        currentMinimum = .max
        sampleCount = 0
    }

    private mutating func count(_ sample: Interval) {
        currentMinimum = min(currentMinimum, max(sample, .nanoseconds(1)))
        sampleCount = min(sampleCount + 1, Self.sampleThreshold)
    }

    private mutating func judge() {
        guard sampleCount >= Self.sampleThreshold else { return }
        switch phase {
        case .standard:
            guard previousMinimum != .max else { return }
            let rise = max(Self.smallestRise, min(previousMinimum / Self.riseDivisor, Self.largestRise))
            guard currentMinimum >= previousMinimum + rise else { return }
            phase = .conservative
            baseline = currentMinimum
            conservativeRounds = 0
        case .conservative:
            guard currentMinimum < baseline else { return }
            phase = .standard
            baseline = .max
        }
    }
}
