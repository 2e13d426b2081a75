import DXWire

/// Chooses between CUBIC and BBR by what the path shows (`CongestionAlgorithm.automatic`).
///
/// A path begins with CUBIC. It goes over to BBR
/// - when losses come by chance: no queue stood in the path, and the window was smaller than at the loss before, so it
///   cannot have overflowed. Round trips that jitter keeps above the smallest are no queue (`RoundTripSpread`). Twice in
///   a row, and only where CUBIC would need `worthwhileRecovery` or longer to win back what each loss costs. In the first
///   slow start once is enough, when few packets are lost of the round that follows: a window that overflows while it
///   doubles loses a good part of it;
/// - when a queue of more than `longQueue` stands for a round, or the first slow start is about to make one
///   (`SlowStartPlateau`): CUBIC would fill whatever buffer there is. In the first slow start only when the acknowledgements of
///   that round came over half of the time by which it was late, or longer: those of a flight that has hardly begun to
///   fill the pipe come together, and the queue before it is not its own. What it delivered tells nothing of the pipe then.
///
/// It goes back to CUBIC when others fill the queue (`BBR.crowdedCycles`) for `crowdedLimit` cycles in a row. Then a long
/// queue alone does not lead to BBR again for a while, which doubles each time: against flows that fill the queue BBR
/// would only give way.
///
/// The delivery rate is measured all the time, so each begins with what the other knew.
struct AlgorithmChoice: Sendable, BitwiseCopyable {
    /// What to do now.
    enum Verdict: Sendable {
        case stay
        /// Go over to BBR; with a full pipe it empties the queue first, else it goes on searching.
        case useBBR(isPipeFull: Bool)
    }

    /// The largest delivery rate of the last rounds, in bytes per second.
    private(set) var bandwidth = WindowedMaximum()
    private var round: UInt64 = 0
    private var nextRoundDelivered: UInt64 = 0
    private var roundMinimum = Interval.max
    /// When the acknowledgements of this round began, and when the last one came.
    private var roundBegan = Instant.zero
    private var lastAckAt = Instant.zero
    /// How much round trips differ without a queue.
    private(set) var spread = RoundTripSpread()
    private var plateau = SlowStartPlateau()
    /// Rounds in a row behind a long queue.
    private var queuedRounds = 0
    /// Losses by chance in a row.
    private var quietLosses = 0
    private var windowAtLoss = 0
    /// What was delivered and lost at the loss in the first slow start, until its round is over.
    private var slowStartLoss: (delivered: UInt64, lost: UInt64)?
    /// A long queue is no reason for BBR before.
    private var queueHeldUntil = Instant.zero
    private var hold = shortestHold

    /// Rounds over which the delivery rate is the largest.
    private static let bandwidthRounds: UInt64 = 10
    /// More than the 50 ms that a well-made router holds, less than the 100 ms that a call or a keystroke begins to feel.
    private static let longQueue = Interval.milliseconds(60)
    private static let queuedRoundLimit = 1
    /// One loss behind no queue may be bad luck at a short buffer.
    private static let quietLossLimit = 2
    /// A window that doubles and overflows loses a third to a half; HyStart++ at the least a fifth.
    private static let overflowPart = 0.125
    /// Where CUBIC is back in a quarter of a second, losses cost it little, and it is cheaper: fast local networks.
    private static let worthwhileRecovery = 0.25
    private static let shortestHold = Interval.seconds(20)
    private static let longestHold = Interval.seconds(320)
    static let crowdedLimit = 2

    /// An ACK was processed while CUBIC is in use. `slowStartWindow` is the window in the first slow start, nil after it.
    mutating func onAck(
        _ sample: DeliverySample, rtt: RTTEstimator, slowStartWindow: Int?, delivery: DeliveryRate, now: Instant
    ) -> Verdict {
        let base = rtt.minimum
        if let rate = sample.rate { bandwidth.update(rate, round: round, length: Self.bandwidthRounds) }
        if sample.priorDelivered >= nextRoundDelivered {
            nextRoundDelivered = delivery.delivered
            round &+= 1
            let isOwn = slowStartWindow == nil || (lastAckAt - roundBegan) * 2 >= roundMinimum - base
            let isLong = roundMinimum != .max && roundMinimum > base + Self.longQueue && isOwn
            roundBegan = now
            queuedRounds = isLong ? queuedRounds + 1 : 0
            roundMinimum = .max
            spread.endRound()
            judgeSlowStartLoss(sample, delivery: delivery)
        }
        roundMinimum = min(roundMinimum, sample.roundTrip)
        lastAckAt = now
        spread.update(sample.roundTrip)
        if quietLosses >= Self.quietLossLimit { return .useBBR(isPipeFull: false) }
        if queuedRounds >= Self.queuedRoundLimit && now >= queueHeldUntil { return .useBBR(isPipeFull: true) }
        guard let slowStartWindow else { return .stay }
        let isFull = plateau.isReached(
            sample, window: slowStartWindow, bandwidth: bandwidth.value, spread: spread, rtt: rtt, now: now)
        return isFull ? .useBBR(isPipeFull: true) : .stay
    }

    /// Once a round sent after the loss in slow start is acknowledged: was it a few packets, or an overflow?
    private mutating func judgeSlowStartLoss(_ sample: DeliverySample, delivery: DeliveryRate) {
        guard let before = slowStartLoss, sample.priorDelivered >= before.delivered else { return }
        slowStartLoss = nil
        let lost = Double(delivery.lostWhole &- before.lost)
        let delivered = Double(delivery.delivered &- before.delivered)
        if quietLosses > 0 && lost < Self.overflowPart * delivered { quietLosses = Self.quietLossLimit }
    }

    /// CUBIC is about to reduce `window` because of losses.
    mutating func onLosses(
        window: Int, datagram: Int, isInFirstSlowStart: Bool, rtt: RTTEstimator, delivery: DeliveryRate
    ) {
        let base = rtt.minimum
        if isInFirstSlowStart { slowStartLoss = (delivery.delivered, delivery.lostWhole) }
        // What overflows is found out by packets that waited in the full queue. A single late packet raises one of the
        // two, jitter that all packets have both: as far as they differ within a round, anyway.
        let isQuiet = min(rtt.latest, rtt.smoothed) <= base + BBR.queueThreshold(base, spread)
        let isEarly = windowAtLoss == 0 || window < windowAtLoss
        windowAtLoss = window
        guard isQuiet, isEarly, Self.recovery(window: window, datagram: datagram, base: base) >= Self.worthwhileRecovery
        else {
            quietLosses = isQuiet && isEarly ? quietLosses : 0
            return
        }
        quietLosses += 1
    }

    /// BBR gave up: others fill the queue.
    mutating func onReturn(now: Instant) {
        queueHeldUntil = now + hold
        hold = min(hold * 2, Self.longestHold)
        restart()
    }

    /// Counting begins anew: the other controller takes over.
    mutating func restart() {
        queuedRounds = 0
        quietLosses = 0
        windowAtLoss = 0
        slowStartLoss = nil
        roundMinimum = .max
    }

    /// How many seconds CUBIC takes from 0.7 times a window back to it: by its curve, or as Reno would (RFC 9438 §4.2,
    /// §4.3), whichever is faster.
    static func recovery(window: Int, datagram: Int, base: Interval) -> Double {
        let packets = Double(window) / Double(max(datagram, 1))
        return min(Cubic.cubeRoot(packets * 0.3 / 0.4), packets * 0.3 / 0.53 * base.secondsAsDouble)
    }
}
