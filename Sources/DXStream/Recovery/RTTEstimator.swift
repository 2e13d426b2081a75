public import DXWire

/// The round-trip time of one path (RFC 9002 §5): newest sample, smoothed value, variation, minimum.
///
/// Before the first sample it stands at an initial guess, so that a probe timeout exists from the first packet on
/// (RFC 9002 §6.2.2). Arithmetic is on whole nanoseconds; a sample is taken as between 1 ns and `largestSample`, so no
/// clock fault or hostile acknowledgement delay can bend the estimate out of that range or trap.
public struct RTTEstimator: Sendable, BitwiseCopyable {
    /// The newest sample, with the peer's acknowledgement delay still in it; the initial guess before the first.
    public private(set) var latest: Interval
    /// The exponentially weighted average: 7/8 old, 1/8 new (RFC 9002 §5.3).
    public private(set) var smoothed: Interval
    /// The average distance of samples from `smoothed`: 3/4 old, 1/4 new (RFC 9002 §5.3).
    public private(set) var variation: Interval
    /// The smallest sample since the start or since `resetMinimum`; acknowledgement delay is never subtracted from it
    /// (RFC 9002 §5.2). The initial guess before the first sample.
    public private(set) var minimum: Interval
    /// False until the first sample; until then all values are the initial guess.
    public private(set) var hasSample: Bool
    /// The next sample replaces `minimum` whatever it is.
    private var isMinimumStale: Bool

    /// The shortest timer that makes sense (RFC 9002 §6.1.2, kGranularity). Shorter ones would fire on the jitter of the
    /// event loop.
    public static let granularity = Interval.milliseconds(1)
    /// Samples above this count as this. No path in use has so long a round trip; what measures more is a clock that
    /// jumped, and a longer value would keep probe timeouts away for good.
    public static let largestSample = Interval.seconds(60)

    /// An estimate without a sample. `initial` is the guess (RFC 9002 §6.2.2: 333 ms, so that the first probe timeout is
    /// about 1 s); the variation starts as half of it.
    public init(initial: Interval = .milliseconds(333)) {
        let guess = Self.clamped(initial)
        latest = guess
        smoothed = guess
        variation = guess / 2
        minimum = guess
        hasSample = false
        isMinimumStale = true
    }

    /// The estimate of a session that goes on over the network path of `other` (rekey): everything is kept, so the first
    /// sample of the new session is averaged in like any other.
    public init(inheriting other: RTTEstimator) { self = other }

    /// How long to wait for an acknowledgement before sending a probe (RFC 9002 §6.2.1), without backoff:
    /// `smoothed + max(4 * variation, granularity) + maximumAckDelay`.
    public func probeTimeout(maximumAckDelay: Interval) -> Interval {
        smoothed + max(variation * 4, Self.granularity) + max(maximumAckDelay, .zero)
    }

    /// Takes in the round trip of a packet that was the largest newly acknowledged one (RFC 9002 §5.1).
    ///
    /// `ackDelay` is what the peer says it held the packet; it counts only up to `maximumAckDelay`, and only where the
    /// rest stays at or above the minimum (RFC 9002 §5.3), so that a peer cannot lie the round trip down.
    public mutating func update(sample: Interval, ackDelay: Interval, maximumAckDelay: Interval) {
        let sample = Self.clamped(sample)
        latest = sample
        if isMinimumStale || sample < minimum {
            minimum = sample
            isMinimumStale = false
        }
        guard hasSample else {
            hasSample = true
            smoothed = sample
            variation = sample / 2
            return
        }
        let delay = max(min(ackDelay, maximumAckDelay), .zero)
        let adjusted = sample >= minimum + delay ? sample - delay : sample
        let distance = smoothed < adjusted ? adjusted - smoothed : smoothed - adjusted
        variation += (distance - variation) / 4
        smoothed += (adjusted - smoothed) / 8
    }

    /// Forgets the minimum: it becomes the newest sample, and the next sample replaces it. For persistent congestion and
    /// for a change of the path below (RFC 9002 §5.2).
    public mutating func resetMinimum() {
        minimum = latest
        isMinimumStale = true
    }

    private static func clamped(_ sample: Interval) -> Interval { min(max(sample, .nanoseconds(1)), largestSample) }
}
