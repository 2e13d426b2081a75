import DXWire

/// The phases and what leads from one to the next (draft §5.3).
extension BBR {
    /// Accelerating, or about to: losses are answered by the long-term bound, not by the short-term ones.
    var isProbing: Bool {
        switch phase {
        case .startup, .refill, .up: true
        case .drain, .down, .cruise, .probeRTT: false
        }
    }

    /// In one of the four phases of ProbeBW.
    var isInCycle: Bool {
        switch phase {
        case .down, .cruise, .refill, .up: true
        case .startup, .drain, .probeRTT: false
        }
    }

    // MARK: Startup and drain

    /// CheckFullBWReached (§5.3.1.2).
    mutating func searchFullPipe(_ sample: DeliverySample) {
        guard isRoundStart, !sample.isApplicationLimited, let rate = sample.rate else { return }
        isGrowing = fullPipe.onRound(rate: rate, hasQueue: hadQueueAllRound)
        if fullPipe.isFullNow { isPipeFilled = true }
    }

    /// CheckStartupDone and CheckDrainDone.
    mutating func leaveStartupOrDrain(
        _ sample: DeliverySample, delivery: DeliveryRate, state: CongestionState, now: Instant
    ) {
        switch phase {
        case .startup:
            if isLossRoundStart { leaveStartupByLoss(delivery, state: state) }
            if isPipeFilled { enterDrain() }
        case .drain:
            guard state.bytesInFlight <= inflight(gain: 1, state: state) || round > drainStartRound &+ 3 else { return }
            startDown(delivery, now: now)
        case .down, .cruise, .refill, .up, .probeRTT: break
        }
    }

    /// §5.3.1.3, and any ECN mark. A round that still delivers a quarter more, behind no queue, has lost what chance took:
    /// the bottleneck had room.
    private mutating func leaveStartupByLoss(_ delivery: DeliveryRate, state: CongestionState) {
        let counts = lossRoundCounts(delivery)
        let isLossy =
            lossRanges >= Self.startupLossRanges
            && isTooHigh(
                lost: Self.bytes(counts.lost), inFlight: Self.bytes(counts.lost + counts.delivered), state: state)
        let lostWhole = Double(delivery.lostWhole &- min(lossRoundBase.lostWhole, delivery.lostWhole))
        let isOverflow = lostWhole > Self.overflowPart * (lostWhole + counts.delivered)
        let isFull = isMarkInRound || (isLossy && (hasQueue || !isGrowing || isOverflow))
        if isFull {
            undo.phase = isMarkInRound ? nil : .startup
            isPipeFilled = true
            longInflight = max(bdp(gain: 1, state: state), latestInflight)
        }
        endLossRound(delivery)
    }

    mutating func enterDrain() {
        phase = .drain
        drainStartRound = round
    }

    // MARK: The cycle

    /// UpdateProbeBWCyclePhase (§5.3.3.9).
    mutating func updateCycle(
        _ sample: DeliverySample, delivery: DeliveryRate, state: CongestionState, now: Instant
    ) {
        guard isPipeFilled else { return }
        if adaptLongTermBound(sample, delivery: delivery, state: state) { return }
        switch phase {
        case .down:
            if isTimeToProbe(state, now: now) { return startRefill(delivery, state: state) }
            guard isTimeToCruise(delivery, state: state) else { return }
            lullStartRound = nil
            phase = .cruise
        case .cruise:
            if isTimeToProbe(state, now: now) { return startRefill(delivery, state: state) }
            if let start = lullStartRound, round >= start &+ 2 { lullStartRound = nil }
        case .refill:
            guard isRoundStart else { return }
            isProbeSample = true
            startUp(sample, delivery: delivery, state: state)
        case .up:
            guard isTimeToGoDown(sample, state: state) else { return }
            wasProbeTooHigh = false
            startDown(delivery, now: now)
        case .startup, .drain, .probeRTT: break
        }
    }

    /// StartProbeBW_DOWN.
    mutating func startDown(_ delivery: DeliveryRate, now: Instant) {
        resetCongestionSignals()
        upAcknowledgedPerStep = .max
        // PickProbeWait: 2 to 3 s, and a round more or less, so that flows do not probe in step.
        roundsSinceProbe = nextRandom() & 1
        probeWait = .milliseconds(2_000 + Int64(nextRandom() % 1_000))
        cycleStart = now
        feedback = .stopping
        queuedCruiseRounds = 0
        lullStartRound = nil
        startRound(delivery)
        phase = .down
    }

    /// Two rounds that are only there to count ambient loss.
    mutating func startLull(_ delivery: DeliveryRate) {
        lullStartRound = round
        cutRounds = 0
        startRound(delivery)
    }

    /// StartProbeBW_REFILL.
    mutating func startRefill(_ delivery: DeliveryRate, state: CongestionState) {
        if delivery.lost == cycleBase.lost {
            // Nothing at all was lost, so chance took nothing.
            let bytes = Double(delivery.delivered &- min(cycleBase.delivered, delivery.delivered))
            ambient.noteCalm(packets: bytes / Double(state.maximumDatagram), lost: 0)
        }
        resetShortTermBounds()
        ambient.forgetExcess()
        upRounds = 0
        upAcknowledged = 0
        wasProbePrecautionary = false
        feedback = .refilling
        judgeCycle()
        cycleBase = (delivery.delivered, delivery.lost)
        cycle &+= 1
        lullStartRound = nil
        bandwidthBeforeProbe = maximumBandwidth.value
        startRound(delivery)
        phase = .refill
    }

    /// StartProbeBW_UP.
    private mutating func startUp(_ sample: DeliverySample, delivery: DeliveryRate, state: CongestionState) {
        feedback = .starting
        startRound(delivery)
        fullPipe.restart(baseline: sample.rate ?? 0)
        phase = .up
        raiseSlope(state)
    }

    /// IsTimeToProbeBW (§5.3.3.8.3): after 2 to 3 s, or after so many rounds that Reno would have won back what a loss
    /// costs it, at most 63.
    private func isTimeToProbe(_ state: CongestionState, now: Instant) -> Bool {
        if now > cycleStart + probeWait { return true }
        let rounds = min(bdp(gain: 1, state: state), state.window) / state.maximumDatagram
        return roundsSinceProbe >= UInt64(min(max(rounds, 1), 63))
    }

    /// IsTimeToCruise; where packets were lost in this cycle, one round later, so that it shows how many of them chance
    /// took.
    private mutating func isTimeToCruise(_ delivery: DeliveryRate, state: CongestionState) -> Bool {
        guard state.bytesInFlight <= inflightWithHeadroom(state),
            state.bytesInFlight <= inflight(gain: 1, state: state)
        else { return false }
        guard delivery.lost > cycleBase.lost, !ambient.isSettled || cycle % Self.settledLullCycles == 0 else {
            return true
        }
        guard let start = lullStartRound else {
            startLull(delivery)
            return false
        }
        // One round until what the queue held has left it, and one that counts.
        return round >= start &+ 2
    }

    /// IsTimeToGoDown.
    private mutating func isTimeToGoDown(_ sample: DeliverySample, state: CongestionState) -> Bool {
        if wasProbeTooHigh && state.bytesInFlight >= longInflight {
            wasProbePrecautionary = true
            return true
        }
        if isUsingWindow && state.window >= longInflight {
            // Limited by the bound, which rises, and not by the path.
            fullPipe.restart(baseline: sample.rate ?? 0)
            return false
        }
        if fullPipe.isFullNow { return true }
        // A first probe is brief: a round of sending a quarter more tells whether the path delivers more.
        return !isProbeBold && feedback == .running && state.bytesInFlight >= inflight(gain: Self.upGain, state: state)
    }

    /// C.is_cwnd_limited.
    private var isUsingWindow: Bool { isWindowLimited || wasWindowLimited }

    // MARK: The long-term bound

    /// AdaptLongTermModel; true when it decided the next phase.
    private mutating func adaptLongTermBound(
        _ sample: DeliverySample, delivery: DeliveryRate, state: CongestionState
    ) -> Bool {
        if feedback == .starting && isRoundStart { feedback = .running }
        if feedback == .stopping && isRoundStart {
            isProbeSample = false
            feedback = .none
            if isInCycle && !sample.isApplicationLimited { maximumBandwidth.advance() }
            let hasGrown = maximumBandwidth.value > bandwidthBeforeProbe * Self.worthwhileGrowth
            if isInCycle && !wasProbeTooHigh && (wasProbePrecautionary || (hasGrown && !isProbeBold)) {
                // The brief probe did no harm, or showed more bandwidth: a full one follows at once.
                startRefill(delivery, state: state)
                isProbeBold = true
                return true
            }
            isProbeBold = false
        }
        guard longInflight != .max,
            !isTooHigh(lost: sample.lost, inFlight: sample.inFlightAtSend, state: state)
        else { return false }
        longInflight = max(longInflight, sample.inFlightAtSend)
        if phase == .up { raiseLongTermBound(sample, state: state) }
        return false
    }

    /// RaiseInflightLongtermSlope: 1, 2, 4, … datagrams a round.
    private mutating func raiseSlope(_ state: CongestionState) {
        let growth = 1 << upRounds
        upRounds = min(upRounds + 1, 30)
        upAcknowledgedPerStep = max(state.window / growth, state.maximumDatagram)
    }

    /// ProbeInflightLongtermUpward.
    private mutating func raiseLongTermBound(_ sample: DeliverySample, state: CongestionState) {
        guard isUsingWindow, state.window >= longInflight else { return }
        upAcknowledged += sample.newlyAcknowledged
        if upAcknowledged >= upAcknowledgedPerStep {
            let steps = upAcknowledged / upAcknowledgedPerStep
            upAcknowledged -= steps * upAcknowledgedPerStep
            longInflight = min(longInflight + steps * state.maximumDatagram, CongestionState.largestWindow)
        }
        if isRoundStart { raiseSlope(state) }
    }

    /// InflightWithHeadroom.
    func inflightWithHeadroom(_ state: CongestionState) -> Int {
        guard longInflight != .max else { return .max }
        let room = max(state.maximumDatagram, Self.scaled(longInflight, by: Self.headroom))
        return max(longInflight - room, Self.minimumPipe * state.maximumDatagram)
    }

    // MARK: ProbeRTT

    /// CheckProbeRTT (§5.3.4.3).
    mutating func updateProbeRTT(delivery: inout DeliveryRate, state: inout CongestionState, now: Instant) {
        if phase != .probeRTT && minimumRoundTrip.isProbeDue && !isRestartingFromIdle {
            priorWindow = isLossInRound ? max(priorWindow, state.window) : state.window
            phase = .probeRTT
            probeRTTDoneAt = nil
            feedback = .stopping
            startRound(delivery)
        }
        if phase == .probeRTT { handleProbeRTT(delivery: &delivery, state: &state, now: now) }
        isRestartingFromIdle = false
    }

    /// HandleProbeRTT.
    private mutating func handleProbeRTT(delivery: inout DeliveryRate, state: inout CongestionState, now: Instant) {
        // Rates are low on purpose now.
        delivery.markApplicationLimited(inFlight: state.bytesInFlight)
        guard probeRTTDoneAt != nil else {
            guard state.bytesInFlight <= probeRTTWindow(state) else { return }
            probeRTTDoneAt = now + Self.probeRTTDuration
            isProbeRTTRoundDone = false
            startRound(delivery)
            return
        }
        if isRoundStart { isProbeRTTRoundDone = true }
        if isProbeRTTRoundDone { finishProbeRTTIfDone(delivery: delivery, state: &state, now: now) }
    }

    /// CheckProbeRTTDone and ExitProbeRTT.
    mutating func finishProbeRTTIfDone(delivery: DeliveryRate, state: inout CongestionState, now: Instant) {
        guard let done = probeRTTDoneAt, now > done else { return }
        probeRTTDoneAt = nil
        minimumRoundTrip.onProbed(now: now)
        state.setWindow(max(state.window, priorWindow))
        resetShortTermBounds()
        if isPipeFilled {
            startDown(delivery, now: now)
            phase = .cruise
        } else {
            phase = .startup
        }
    }

    /// ProbeRTTCwnd.
    func probeRTTWindow(_ state: CongestionState) -> Int {
        max(bdp(gain: Self.probeRTTGain, state: state), Self.minimumPipe * state.maximumDatagram)
    }
}
