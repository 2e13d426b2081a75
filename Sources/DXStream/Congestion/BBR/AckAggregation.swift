import DXWire

/// How much more than the bandwidth explains is acknowledged at a time (BBR draft §5.5.9): a receiver that reads in
/// batches, a radio link that sends in slots. So much more must be in flight to keep the path busy in between.
struct AckAggregation: Sendable, BitwiseCopyable {
    private var start = Instant.zero
    private var acknowledged = 0.0
    private var filter = WindowedMaximum()

    /// Bytes to allow beyond what the path holds.
    var extraBytes: Int { Int(min(filter.value, Double(CongestionState.largestWindow))) }

    /// ExtraAckedFilterLen, in rounds.
    private static let rounds: UInt64 = 10

    /// Counting begins anew, after idleness.
    mutating func restart(now: Instant) {
        start = now
        acknowledged = 0
    }

    /// So many bytes were acknowledged by one ACK.
    mutating func update(
        acknowledged bytes: Int, bandwidth: Double, window: Int, round: UInt64, isPipeFilled: Bool, now: Instant
    ) {
        var expected = bandwidth * max(0, (now - start).secondsAsDouble)
        if acknowledged <= expected {
            // Slower than the bandwidth: this stretch is over.
            restart(now: now)
            expected = 0
        }
        acknowledged += Double(bytes)
        let extra = min(acknowledged - expected, Double(window))
        filter.update(max(0, extra), round: round, length: isPipeFilled ? Self.rounds : 1)
    }
}
