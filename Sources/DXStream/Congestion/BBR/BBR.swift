import DXWire

/// A congestion controller that models the path instead of waiting for it to overflow: BBR version 3, after
/// draft-ietf-ccwg-bbr-06, whose sections the comments name. It measures the largest delivery rate and the smallest
/// round trip, paces at the one, and keeps about twice the product of both in flight at most.
///
/// **Vocabulary.** *Bandwidth*: bytes per second that the path delivers. *BDP*: bandwidth times the smallest round trip,
/// what fills the path without a queue. *Long-term bound*: what may be in flight without too much loss, found by probing.
/// *Short-term bounds*: lower ones, of bandwidth and flight, after losses between two probes; forgotten at the next one.
/// *Round*: from sending a packet to its acknowledgement.
///
/// **Different from the draft**, each for paths that lose by chance (`docs/decisions/0013-bbr-beside-cubic.md`):
/// - What is lost while this sender holds back is *ambient loss*. Bounds react to what goes beyond it, and pacing makes
///   up for two percent of it, because the bottleneck sees what is sent, not what arrives.
/// - Startup does not end by losses alone, while the rate still grows and no queue shows; behind a queue that stood for a
///   whole round one round without growth ends it.
/// - A probe for bandwidth lasts one round; only when it finds a tenth more does a full one follow.
/// - A round trip near the smallest renews it (`MinimumRoundTrip`), so a path whose queue is empty is not throttled to
///   find that out.
/// - An ECN mark counts as a round with too much loss; the draft leaves marks open.
///
/// Window and flight are in `CongestionState`, the counters in `DeliveryRate`; the files `BBR+…` hold the model, the
/// phases and the control. Constant size and time, no allocation. Floating-point numbers are bounded by
/// `DeliveryRate.largestRate` times `RTTEstimator.largestSample`, and only `+ - * /` and comparisons are used.
struct BBR: Sendable, BitwiseCopyable {
    /// Where the flow is in its cycle (§5.1).
    enum Phase: UInt8, Sendable {
        /// Doubles the rate each round until the pipe is full.
        case startup
        /// Empties the queue that startup made.
        case drain
        /// ProbeBW_DOWN: slower than the path, until the queue is empty and others have room.
        case down
        /// ProbeBW_CRUISE: as fast as the path.
        case cruise
        /// ProbeBW_REFILL: one round at the path's rate without the short-term bounds.
        case refill
        /// ProbeBW_UP: faster than the path, to see whether it delivers more.
        case up
        /// Half of the BDP in flight, to see the round trip without a queue.
        case probeRTT
    }

    /// Which packets the acknowledgements of now belong to, as to a probe for bandwidth (BBR.ack_phase).
    enum ProbeFeedback: UInt8, Sendable {
        /// None.
        case none
        /// Those of the refill.
        case refilling
        /// Not yet those of the probe.
        case starting
        /// Those of the probe.
        case running
        /// Still those of the probe, which is over.
        case stopping
    }

    // Phases.
    var phase = Phase.startup
    var feedback = ProbeFeedback.none
    /// When this cycle of probing began, and how long after that the next probe is due.
    var cycleStart = Instant.zero
    var probeWait = Interval.zero
    var roundsSinceProbe: UInt64 = 0
    var drainStartRound: UInt64 = 0
    /// The pipe was full once: startup is over.
    var isPipeFilled = false
    var fullPipe = FullPipe()
    /// The last round delivered a quarter more than before.
    var isGrowing = true
    /// Acknowledgements may be of packets sent by a probe for bandwidth, which has not been answered by a cut yet.
    var isProbeSample = false
    var wasProbeTooHigh = false
    var wasProbePrecautionary = false
    /// The next probe, or this one, goes on until the pipe is full; others end with a quarter of a BDP too much.
    var isProbeBold = false
    var bandwidthBeforeProbe = Double.infinity
    /// Cycles begun.
    var cycle: UInt64 = 0
    /// Two rounds that are only there to count ambient loss began in this round: at the end of `down`, or in a `cruise`
    /// that losses keep cutting down.
    var lullStartRound: UInt64?
    var probeRTTDoneAt: Instant?
    var isProbeRTTRoundDone = false
    var priorWindow = 0
    var isRestartingFromIdle = false

    // Rounds.
    var round: UInt64 = 0
    var nextRoundDelivered: UInt64 = 0
    var isRoundStart = false
    /// The window was used up in this round, and in the one before.
    var isWindowLimited = false
    var wasWindowLimited = false
    /// Smallest round trip of this round and of the one before; `.max` when it had none.
    var roundMinimum = Interval.max
    var previousRoundMinimum = Interval.max
    /// How much round trips differ without a queue.
    var spread = RoundTripSpread()

    // Model.
    var maximumBandwidth = CycleMaximum()
    var shortBandwidth = Double.infinity
    /// Bytes per second: what the model believes in now (BBR.bw).
    var bandwidth = 0.0
    var minimumRoundTrip = MinimumRoundTrip()
    /// Bytes that may be in flight (BBR.inflight_longterm, BBR.inflight_shortterm); `.max` for no bound.
    var longInflight = Int.max
    var shortInflight = Int.max
    var upRounds = 0
    var upAcknowledged = 0
    var upAcknowledgedPerStep = Int.max
    var aggregation = AckAggregation()
    var ambient = AmbientLoss()

    // Losses and marks of this round of losses.
    var isLossInRound = false
    var isMarkInRound = false
    var isLossRoundStart = false
    var lossRoundDelivered: UInt64 = 0
    var lossRoundBase: (delivered: UInt64, lost: UInt64, lostWhole: UInt64) = (0, 0, 0)
    var lossRanges = 0
    var lastLostNumber: UInt64?
    var latestBandwidth = 0.0
    /// Rounds of losses whose rates may still be those of a phase that sends less than the path takes.
    var slowedRounds = 0
    var latestInflight = 0
    /// Bytes that had been delivered and lost when this cycle began.
    var cycleBase: (delivered: UInt64, lost: UInt64) = (0, 0)
    /// Cycles in a row in which others filled the queue: losses behind it cut this flow down while it cruised, or it
    /// stayed long although this flow had drained its part.
    var crowdedCycles = 0
    /// Rounds of this cycle's cruise, up to now, through which a queue stood.
    var queuedCruiseRounds = 0
    /// Smallest round trip ever, and in this cycle.
    var lowestRoundTrip = Interval.max
    var cycleMinimum = Interval.max
    /// Since this round the short-term bound of the bandwidth is as low as to make packets calm.
    var lowSinceRound: UInt64?
    /// Packets of the rounds that led to the short-term bounds, and those lost of them; zero when a mark did.
    var cutPackets = 0.0
    var cutLost = 0.0
    /// Those rounds, since the last lull.
    var cutRounds = 0
    var isCycleCrowded = false

    var undo = Undo()

    /// What an episode of losses that proves to be none gives back (§5.5.11).
    struct Undo: Sendable, BitwiseCopyable {
        var phase: Phase?
        var shortBandwidth = Double.infinity
        var shortInflight = Int.max
        var longInflight = Int.max
    }

    // Control.
    /// Bytes per second; 0 until something was measured.
    var pacingRate = 0.0
    private var entropy: UInt64

    /// A flow at its beginning. `seed` decides when it probes, so that flows do not do so in step.
    init(seed: UInt64) { entropy = seed }

    // MARK: Numbers of the draft (§2)

    /// StartupPacingGain: 4 ln 2, the least that doubles the delivery rate each round.
    static let startupGain = 2.77
    /// DrainPacingGain.
    static let drainGain = 0.5
    /// The pacing gains of the phases of ProbeBW (§5.3.3). The draft's `down` is 0.9, which takes three round trips to
    /// drain what one of `up` has filled; keystrokes beside the flow wait meanwhile.
    static let downGain = 0.75
    /// Of cruise behind a queue of its own.
    static let givingWayGain = 0.9
    /// Of the round in which ambient loss is counted: two flows that each believe in a tenth more than their half lose
    /// nothing any more when one of them falls so far.
    static let lullGain = 0.75
    /// Below this part of the bandwidth, for two rounds, packets are calm.
    static let calmPart = 0.85
    /// When so many rounds were answered and losses go on, it is worth finding out whether they are chance.
    static let doubtfulCuts = 4
    /// Once the ambient loss is well known, it is counted in one cycle of so many.
    static let settledLullCycles: UInt64 = 3
    static let upGain = 1.25
    /// For so many rounds cruise gives way to a queue, and then does not for so many. One that comes of a rate a few percent
    /// too high is gone in four or so; beside others that fill it a third of the time is theirs to answer.
    static let givingWayRounds = 8
    static let insistingRounds = 4
    /// DefaultCwndGain, and that of ProbeBW_UP and ProbeRTT.
    static let windowGain = 2.0
    static let upWindowGain = 2.25
    static let probeRTTGain = 0.5
    /// PacingMarginPercent: 1 % below the bandwidth, so that queues drain.
    static let pacingMargin = 0.99
    /// A brief probe that finds a tenth more bandwidth is followed by a full one; less may be noise.
    static let worthwhileGrowth = 1.1
    /// LossThresh: more than that is too much.
    static let lossThreshold = 0.02
    /// Beta: what a cut leaves at least, as CUBIC's.
    static let beta = 0.7
    /// Headroom: what is left to others of the long-term bound when cruising.
    static let headroom = 0.15
    /// BBRStartupFullLossCnt.
    static let startupLossRanges = 6
    /// Startup that loses so much of a round has overflowed, whatever rate and queue say: where the peer's receive windows
    /// stop it each round, the queue empties meanwhile, and no rate counts. Chance that takes so much is not excused anyway.
    static let overflowPart = 0.2
    /// ProbeRTTDuration.
    static let probeRTTDuration = Interval.milliseconds(200)
    /// MinPipeCwnd, in datagrams.
    static let minimumPipe = 4

    // MARK: Randomness

    /// A number of 64 bits (SplitMix64): when to probe needs no better.
    mutating func nextRandom() -> UInt64 {
        entropy &+= 0x9e37_79b9_7f4a_7c15
        var z = entropy
        z = (z ^ (z &>> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z &>> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z &>> 31)
    }

    // MARK: Input

    /// Goes on with what another controller measured of the path: bandwidth in bytes per second and the smallest round
    /// trip. With a full pipe the queue is emptied first, else the search for the bandwidth goes on.
    mutating func adopt(
        bandwidth: Double, roundTrip: Interval, spread: RoundTripSpread, isPipeFull: Bool, delivery: DeliveryRate,
        state: CongestionState, now: Instant
    ) {
        maximumBandwidth.update(bandwidth)
        self.bandwidth = bandwidth
        minimumRoundTrip.adopt(roundTrip, now: now)
        lowestRoundTrip = roundTrip
        self.spread = spread
        priorWindow = state.window
        nextRoundDelivered = delivery.delivered
        lossRoundDelivered = delivery.delivered
        lossRoundBase = (delivery.delivered, delivery.lost, delivery.lostWhole)
        cycleBase = (delivery.delivered, delivery.lost)
        cycleStart = now
        if isPipeFull {
            isPipeFilled = true
            enterDrain()
        }
    }

    /// A new session goes on over the same path; packet numbers begin anew.
    mutating func beginSession() {
        lastLostNumber = nil
        isRestartingFromIdle = false
    }

    /// A packet was sent and is in flight; `wasIdle` says that nothing was before it.
    mutating func onSent(wasIdle: Bool, delivery: DeliveryRate, state: inout CongestionState, now: Instant) {
        if state.window - state.bytesInFlight < state.maximumDatagram { isWindowLimited = true }
        guard wasIdle, delivery.isApplicationLimited else { return }
        // §5.4: the queue had time to empty, and the bandwidth need not be searched for again.
        isRestartingFromIdle = true
        aggregation.restart(now: now)
        switch phase {
        case .down, .cruise, .refill, .up: pacingRate = max(Self.pacingMargin * bandwidth, 1)
        case .probeRTT: finishProbeRTTIfDone(delivery: delivery, state: &state, now: now)
        case .startup, .drain: break
        }
    }

    private var isInLull: Bool { lullStartRound.map { round > $0 } ?? false }

    /// Packets sent now go out below the delivery rate and behind no queue of this flow's own.
    var isCalm: Bool {
        switch phase {
        case .down: isInLull
        case .cruise: isInLull || (lowSinceRound.map { round > $0 &+ 1 } ?? false)
        case .probeRTT: probeRTTDoneAt != nil
        case .startup, .drain, .refill, .up: false
        }
    }

    /// An ACK was processed whole, with the losses that it shows (UpdateOnACK, §5.2.3).
    mutating func onAck(
        _ sample: DeliverySample, delivery: inout DeliveryRate, state: inout CongestionState, now: Instant
    ) {
        updateRound(sample, delivery: delivery)
        updateModel(sample, delivery: delivery, state: state)
        aggregation.update(
            acknowledged: sample.newlyAcknowledged, bandwidth: bandwidth, window: state.window, round: round,
            isPipeFilled: isPipeFilled, now: now)
        searchFullPipe(sample)
        leaveStartupOrDrain(sample, delivery: delivery, state: state, now: now)
        updateCycle(sample, delivery: delivery, state: state, now: now)
        minimumRoundTrip.update(sample.roundTrip, now: now)
        updateProbeRTT(delivery: &delivery, state: &state, now: now)
        if isLossRoundStart {
            latestBandwidth = sample.rate ?? 0
            latestInflight = sample.delivered
        }
        bandwidth = min(maximumBandwidth.value, shortBandwidth)
        updateControl(sample, delivery: delivery, state: &state)
    }

    /// Everything sent over a long time was lost. The model stays: the path's rate is what it was, or the next rounds
    /// will show; but the window grows anew from the smallest (§5.6.4.4).
    mutating func onPersistentCongestion(state: inout CongestionState) {
        priorWindow = max(priorWindow, state.window)
        state.setWindow(state.minimumWindow)
    }
}
