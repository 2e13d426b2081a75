import DXWire

/// What the model makes of pacing rate and window (draft §5.6).
extension BBR {
    /// UpdateControlParameters.
    mutating func updateControl(_ sample: DeliverySample, delivery: DeliveryRate, state: inout CongestionState) {
        updatePacingRate()
        updateWindow(sample, delivery: delivery, state: &state)
    }

    private var pacingGain: Double {
        switch phase {
        case .startup: Self.startupGain
        case .drain: Self.drainGain
        case .down: lullStartRound == nil ? Self.downGain : Self.lullGain
        case .cruise: lullStartRound != nil ? Self.lullGain : isGivingWay ? Self.givingWayGain : 1
        case .refill, .probeRTT: 1
        case .up: Self.upGain
        }
    }

    /// The queue that stands while cruising is made of a bandwidth that is measured a few percent too high. Not one of
    /// others, if that has shown in the last cycle; and where giving way did not help it stops for a while.
    private var isGivingWay: Bool {
        guard hasShortQueue, crowdedCycles == 0, !isCycleCrowded else { return false }
        return queuedCruiseRounds % (Self.givingWayRounds + Self.insistingRounds) <= Self.givingWayRounds
    }

    private var windowGain: Double {
        switch phase {
        case .startup, .drain, .down, .cruise, .refill: Self.windowGain
        case .up: Self.upWindowGain
        case .probeRTT: Self.probeRTTGain
        }
    }

    /// How much faster to send than what should arrive, for what chance takes on the way: the bottleneck sees what is
    /// sent. Two percent at most, which makes up for the margin and little more, so that flows that take each other's
    /// losses for chance cannot drive one another up. Not behind a queue: the bottleneck gets enough.
    private var compensation: Double {
        switch phase {
        case .cruise, .refill, .up: hasQueue ? 1 : min(1 / (1 - ambient.rate), Self.largestCompensation)
        case .startup, .drain, .down, .probeRTT: 1
        }
    }
    private static var largestCompensation: Double { 1.02 }

    /// SetPacingRate (§5.6.2): until the pipe was full it only rises.
    private mutating func updatePacingRate() {
        guard bandwidth > 0 else { return }
        let rate = pacingGain * bandwidth * Self.pacingMargin * compensation
        if isPipeFilled || rate > pacingRate { pacingRate = rate }
    }

    /// SetCwnd (§5.6.4.6).
    private mutating func updateWindow(_ sample: DeliverySample, delivery: DeliveryRate, state: inout CongestionState) {
        let most = quantized(
            bdp(gain: windowGain, state: state) + aggregation.extraBytes, state: state)
        let initial = CongestionState.initialWindow(maximumDatagram: state.maximumDatagram)
        var window = state.window
        if isPipeFilled {
            window = min(window + sample.newlyAcknowledged, most)
        } else if window < most || delivery.delivered < UInt64(initial) {
            window += sample.newlyAcknowledged
        }
        window = max(window, Self.minimumPipe * state.maximumDatagram)
        if phase == .probeRTT { window = min(window, probeRTTWindow(state)) }
        state.setWindow(min(window, bound(state)))
    }

    /// BoundCwndForModel (§5.6.4.7).
    private func bound(_ state: CongestionState) -> Int {
        let long: Int
        switch phase {
        case .down, .refill, .up: long = longInflight
        case .cruise, .probeRTT: long = inflightWithHeadroom(state)
        case .startup, .drain: long = .max
        }
        return max(min(long, shortInflight), Self.minimumPipe * state.maximumDatagram)
    }
}
