import DXWire

/// Sees that the first slow start has filled the pipe and goes on to fill a buffer that is no short one: a quarter more in
/// flight is delivered hardly faster, and waits.
///
/// HyStart++ (`SlowStartExit`) sees that one to three rounds later, because it compares the smallest round trips of whole
/// rounds, of eight ACKs at least, which packets of several datagrams hardly bring; in each round the queue doubles. And it
/// leaves the queue where it is. Where rates are measured anyway, they tell it sooner.
///
/// Constant size and time.
struct SlowStartPlateau: Sendable, BitwiseCopyable {
    private var lookedAt = Instant.zero
    /// Delivery rate, and bytes in flight, when there was last a quarter more in flight than before.
    private var rate = 0.0
    private var flight = 0

    /// So much more must be in flight to be compared.
    private static let more = 1.25
    /// With so much more of that, all of which the path had room for, half of it would arrive at the least.
    private static let growth = 1.125
    /// Half of what is a long queue to CUBIC (`AlgorithmChoice`). A shorter buffer overflows before, which is fine.
    private static let filledQueue = Interval.milliseconds(30)

    /// An ACK was processed in the first slow start, with a window of so many bytes; `bandwidth` is the largest delivery
    /// rate of the last rounds, in bytes per second. Whether the pipe is full, and more than `filledQueue` in the queue; on
    /// long paths more than a quarter of the round trip, which this sender's own bursts fill.
    ///
    /// Only where a quarter of the window or more was in flight, as it is while the window doubles: who sends little
    /// beside the queue of others has not filled anything.
    mutating func isReached(
        _ sample: DeliverySample, window: Int, bandwidth: Double, spread: RoundTripSpread, rtt: RTTEstimator,
        now: Instant
    ) -> Bool {
        guard now >= lookedAt + rtt.minimum, Double(sample.inFlightAtSend) >= Double(flight) * Self.more else {
            return false
        }
        let isFlat = bandwidth < rate * Self.growth
        (lookedAt, rate, flight) = (now, bandwidth, sample.inFlightAtSend)
        let queue = max(Self.filledQueue, rtt.minimum / 4, spread.allowance)
        return isFlat && sample.inFlightAtSend >= window / 4
            && min(rtt.smoothed, rtt.latest) > rtt.minimum + queue
    }
}
