import DXWire

/// The model of the path: rounds, bandwidth, bounds, and what losses and marks change in it (draft §5.5).
extension BBR {
    // MARK: Rounds

    /// §5.5.1.
    mutating func updateRound(_ sample: DeliverySample, delivery: DeliveryRate) {
        isRoundStart = sample.priorDelivered >= nextRoundDelivered
        if isRoundStart {
            startRound(delivery)
            round &+= 1
            roundsSinceProbe &+= 1
            wasWindowLimited = isWindowLimited
            isWindowLimited = false
            previousRoundMinimum = roundMinimum
            roundMinimum = .max
            spread.endRound()
            if phase == .cruise { queuedCruiseRounds = hasShortQueue ? queuedCruiseRounds + 1 : 0 }
        }
        spread.update(sample.roundTrip)
        roundMinimum = min(roundMinimum, sample.roundTrip)
        cycleMinimum = min(cycleMinimum, sample.roundTrip)
        lowestRoundTrip = min(lowestRoundTrip, sample.roundTrip)
    }

    /// A queue that this flow cannot have made: it keeps to two BDP, and a few others like it add about as much. Two round
    /// trips of delay, 60 to 300 ms.
    private var isQueueOfOthers: Bool {
        let long = max(.milliseconds(60), min(lowestRoundTrip * 2, .milliseconds(300)))
        return cycleMinimum != .max && cycleMinimum > lowestRoundTrip + long
    }

    /// A cycle is over: was its queue that of others?
    mutating func judgeCycle() {
        crowdedCycles = isCycleCrowded || isQueueOfOthers ? crowdedCycles + 1 : 0
        isCycleCrowded = false
        cycleMinimum = .max
    }

    /// The next round ends when what is sent from now on is acknowledged.
    mutating func startRound(_ delivery: DeliveryRate) { nextRoundDelivered = delivery.delivered }

    /// A queue stood in the path throughout this round and the one before: no packet of either got through without.
    var hasQueue: Bool { isQueue(min(roundMinimum, previousRoundMinimum)) }

    /// The same for half as much: worth giving way to for some rounds, but no proof of anything.
    var hasShortQueue: Bool { isQueue(min(roundMinimum, previousRoundMinimum), half: true) }

    /// A queue stood in the path throughout the round that has just ended.
    var hadQueueAllRound: Bool { isQueue(previousRoundMinimum) }

    /// Whether the smallest round trip of some time is longer than the path's own by what makes a queue, or half of that.
    private func isQueue(_ smallest: Interval, half: Bool = false) -> Bool {
        guard let base = minimumRoundTrip.value, smallest != .max else { return false }
        let threshold = Self.queueThreshold(base, spread)
        return smallest > base + (half ? threshold / 2 : threshold)
    }

    /// More than an eighth of the round trip, within 4 ms to 16 ms: as HyStart++ tells a queue from noise (RFC 9406 §4.3).
    /// And more than jitter explains.
    static func queueThreshold(_ base: Interval, _ spread: RoundTripSpread) -> Interval {
        max(.milliseconds(4), min(base / 8, .milliseconds(16)), spread.allowance)
    }

    // MARK: Bandwidth and short-term bounds

    /// UpdateLatestDeliverySignals and UpdateCongestionSignals (§5.5.10.3).
    mutating func updateModel(_ sample: DeliverySample, delivery: DeliveryRate, state: CongestionState) {
        isLossRoundStart = false
        latestBandwidth = max(latestBandwidth, sample.rate ?? 0)
        latestInflight = max(latestInflight, sample.delivered)
        if sample.priorDelivered >= lossRoundDelivered {
            lossRoundDelivered = delivery.delivered
            isLossRoundStart = true
        }
        if let rate = sample.rate, rate >= maximumBandwidth.value || !sample.isApplicationLimited {
            maximumBandwidth.update(rate)
        }
        guard isLossRoundStart else { return }
        if phase != .startup { judgeRound(delivery, state: state) }
        switch phase {
        case .drain, .down, .probeRTT: slowedRounds = 2
        case .startup, .cruise, .refill, .up: slowedRounds = max(0, slowedRounds - 1)
        }
        if phase != .startup { endLossRound(delivery) }
    }

    /// Answers what was lost in a round, and takes the answer back once it turns out that chance explains it.
    private mutating func judgeRound(_ delivery: DeliveryRate, state: CongestionState) {
        let counts = lossRoundCounts(delivery)
        let packets = (counts.delivered + counts.lost) / Double(state.maximumDatagram)
        let lost = counts.lost / Double(state.maximumDatagram)
        // Not what startup's overflow lost: it says nothing about the path as it is used from then on.
        if cycle > 0 { ambient.noteAll(packets: packets, lost: lost) }
        let isTooMuch = ambient.exceeds(packets: packets, lost: lost)
        guard !isProbing else { return }
        if isTooMuch || isMarkInRound {
            cutShortTermBounds(state: state)
            cutPackets += packets
            cutLost += lost
            if isMarkInRound { cutPackets = -.infinity }
            cutRounds += 1
            if phase == .cruise, cutRounds >= Self.doubtfulCuts { startLull(delivery) }
        } else if cutPackets > 0, ambient.explains(packets: cutPackets, lost: cutLost) {
            resetShortTermBounds()
        }
        let isLow = shortBandwidth < Self.calmPart * maximumBandwidth.value
        lowSinceRound = isLow ? lowSinceRound ?? round : nil
    }

    /// Forgets the losses of the round that is over.
    mutating func endLossRound(_ delivery: DeliveryRate) {
        isLossInRound = false
        isMarkInRound = false
        lossRanges = 0
        lossRoundBase = (delivery.delivered, delivery.lost, delivery.lostWhole)
    }

    /// Bytes delivered and lost in this round of losses, as `DeliveryRate.lost` counts them.
    func lossRoundCounts(_ delivery: DeliveryRate) -> (delivered: Double, lost: Double) {
        (
            Double(delivery.delivered &- min(lossRoundBase.delivered, delivery.delivered)),
            Double(delivery.lost &- min(lossRoundBase.lost, delivery.lost))
        )
    }

    /// InitLowerBounds and LossLowerBounds.
    private mutating func cutShortTermBounds(state: CongestionState) {
        if shortBandwidth == .infinity { shortBandwidth = maximumBandwidth.value }
        if shortInflight == .max { shortInflight = state.window }
        // What was delivered of less than the path takes says nothing about what it takes.
        let seen = slowedRounds > 0 ? min(latestBandwidth / Self.downGain, maximumBandwidth.value) : latestBandwidth
        shortBandwidth = max(seen, Self.beta * shortBandwidth)
        shortInflight = max(latestInflight, Self.scaled(shortInflight, by: Self.beta))
        if phase == .cruise && hasQueue { isCycleCrowded = true }
    }

    /// ResetShortTermModel.
    mutating func resetShortTermBounds() {
        shortBandwidth = .infinity
        shortInflight = .max
        lowSinceRound = nil
        cutPackets = 0
        cutLost = 0
        cutRounds = 0
    }

    /// ResetCongestionSignals.
    mutating func resetCongestionSignals() {
        isLossInRound = false
        isMarkInRound = false
        latestBandwidth = 0
        latestInflight = 0
    }

    // MARK: Losses and marks

    /// A packet was declared lost (HandleLostPacket, §5.5.10.2). `delivery` counts it already.
    mutating func onLost(
        bytes: Int, packetNumber: UInt64, snapshot: DeliverySnapshot, delivery: DeliveryRate, state: CongestionState,
        now: Instant
    ) {
        if lastLostNumber.map({ packetNumber != $0 &+ 1 }) ?? true { lossRanges += 1 }
        lastLostNumber = packetNumber
        noteCongestion(delivery, state: state)
        isLossInRound = true
        guard isProbeSample else { return }
        let lost = Int(clamping: delivery.lost &- snapshot.lost)
        let inFlight = Int(snapshot.inFlight)
        guard isTooHigh(lost: lost, inFlight: inFlight, state: state) else { return }
        // InflightAtLoss: at which flight the losses crossed the threshold.
        let before = Double(max(0, inFlight - bytes))
        let lostBefore = Double(max(0, lost - min(bytes, state.maximumDatagram)))
        let threshold = Self.lossThreshold + ambient.rate
        let prefix = (threshold * before - lostBefore) / (1 - threshold)
        cutLongTermBound(
            at: Self.bytes(before + prefix), isApplicationLimited: snapshot.isApplicationLimited, delivery: delivery,
            state: state, now: now)
    }

    /// The peer counted more ECN-CE marks: the path says itself that it is congested. Other than loss, a mark is never
    /// chance. While probing it ends the probe; else the round counts as one with too much loss.
    mutating func onMark(delivery: DeliveryRate, state: CongestionState, now: Instant) {
        noteCongestion(delivery, state: state)
        isMarkInRound = true
        // The network says so itself: no late acknowledgement takes that back.
        undo = Undo(phase: nil, shortBandwidth: 0, shortInflight: 0, longInflight: 0)
        guard isProbeSample else { return }
        cutLongTermBound(
            at: state.bytesInFlight, isApplicationLimited: delivery.isApplicationLimited, delivery: delivery,
            state: state, now: now)
    }

    /// NoteLoss and SaveStateUponLoss.
    private mutating func noteCongestion(_ delivery: DeliveryRate, state: CongestionState) {
        guard !isLossInRound, !isMarkInRound else { return }
        lossRoundDelivered = delivery.delivered
        priorWindow = phase == .probeRTT ? max(priorWindow, state.window) : state.window
        undo = Undo(
            phase: nil, shortBandwidth: shortBandwidth, shortInflight: shortInflight, longInflight: longInflight)
    }

    /// IsInflightTooHigh: more lost than the draft's threshold, and than what chance takes anyway.
    func isTooHigh(lost: Int, inFlight: Int, state: CongestionState) -> Bool {
        let flight = Double(inFlight)
        return Double(lost)
            > Self.lossThreshold * flight + ambient.allowance(of: flight, datagram: state.maximumDatagram)
    }

    /// HandleInflightTooHigh.
    private mutating func cutLongTermBound(
        at inFlight: Int, isApplicationLimited: Bool, delivery: DeliveryRate, state: CongestionState, now: Instant
    ) {
        wasProbeTooHigh = true
        isProbeSample = false
        if !isApplicationLimited {
            longInflight = max(
                inFlight, Self.scaled(min(bdp(gain: 1, state: state), state.window), by: Self.beta),
                Self.minimumPipe * state.maximumDatagram)
        }
        if phase == .up {
            undo.phase = .up
            startDown(delivery, now: now)
        }
    }

    /// All losses of an episode proved to be none (§5.5.11.2).
    mutating func onSpuriousLoss(delivery: DeliveryRate, state: inout CongestionState) {
        state.setWindow(max(state.window, priorWindow))
        isLossInRound = false
        fullPipe.restart()
        shortBandwidth = max(shortBandwidth, undo.shortBandwidth)
        shortInflight = max(shortInflight, undo.shortInflight)
        longInflight = max(longInflight, undo.longInflight)
        let phaseBefore = undo.phase
        undo.phase = nil
        switch phaseBefore {
        case .startup where phase != .startup:
            isPipeFilled = false
            if phase != .probeRTT { phase = .startup }
        case .up where phase != .up && phase != .probeRTT: startRefill(delivery, state: state)
        case .startup, .drain, .down, .cruise, .refill, .up, .probeRTT, nil: break
        }
    }

    // MARK: Volumes

    /// `gain` times the BDP in bytes; the initial window before anything was measured (BDPMultiple, §5.6.4.2).
    func bdp(gain: Double, state: CongestionState) -> Int {
        guard let roundTrip = minimumRoundTrip.value, bandwidth > 0 else {
            return CongestionState.initialWindow(maximumDatagram: state.maximumDatagram)
        }
        return Self.bytes(gain * bandwidth * roundTrip.secondsAsDouble)
    }

    /// What should be in flight for `gain` (Inflight). At least two milliseconds' worth: the pacer sends, and the peer
    /// acknowledges, in batches of about one each.
    func inflight(gain: Double, state: CongestionState) -> Int {
        quantized(bdp(gain: gain, state: state), state: state)
    }

    /// QuantizationBudget.
    func quantized(_ bytes: Int, state: CongestionState) -> Int {
        let budget = Self.bytes(min(pacingRate * 0.002, Self.largestBudget))
        let least = max(bytes, budget, Self.minimumPipe * state.maximumDatagram)
        return phase == .up ? least + 2 * state.maximumDatagram : least
    }

    /// Two GSO writes.
    private static var largestBudget: Double { 130_000 }

    /// A volume as whole bytes, at most the largest window.
    static func bytes(_ value: Double) -> Int {
        guard value > 0 else { return 0 }
        return value >= Double(CongestionState.largestWindow) ? CongestionState.largestWindow : Int(value)
    }

    /// A part of a volume that may be `.max`, which is at least a part of the largest window.
    static func scaled(_ volume: Int, by part: Double) -> Int {
        bytes(Double(min(volume, CongestionState.largestWindow)) * part)
    }
}
