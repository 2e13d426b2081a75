public import DXWire

/// How much one path may have in flight (RFC 9002 §7), and how fast it may send.
///
/// A closed set of algorithms behind one door: the state that all share is flat in `state`, each algorithm's own state
/// lies beside it, and the payload-free `algorithm` says which one is asked. A further algorithm is one more case, one
/// more field, and one more branch in each `switch`; a sum type with payloads was measured at twenty times the cost per
/// packet. Nothing here allocates.
///
/// Input is total: sizes are clamped, sums saturate, and no order of calls traps.
public struct CongestionController: Sendable, BitwiseCopyable {
    /// The algorithm chosen at the start.
    public let algorithm: CongestionAlgorithm
    private var mode: Mode
    private var state: CongestionState
    private var slowStart = SlowStartExit()
    private var cubic = Cubic()
    private var newReno = NewReno()
    private var delivery = DeliveryRate()
    private var bbr: BBR
    private var choice = AlgorithmChoice()
    private let seed: UInt64
    /// What was before the last reduction, as long as it may be taken back.
    private var undo: Snapshot?

    /// Which algorithm is asked now.
    private enum Mode: UInt8, Sendable { case cubic, newReno, bbr }

    /// What a reduction changes.
    private struct Snapshot: Sendable, BitwiseCopyable {
        var window: Int
        var slowStartThreshold: Int?
        var recoveryStart: Instant?
        var recoveryEnd: UInt64?
        var cubic: Cubic
        var newReno: NewReno
    }

    /// A controller for a new path whose full datagrams have `maximumDatagram` bytes. The window starts at ten of them
    /// (RFC 9002 §7.2). `seed` decides when BBR probes for bandwidth: flows should not do so in step.
    public init(_ algorithm: CongestionAlgorithm, maximumDatagram: Int, seed: UInt64 = 0) {
        self.algorithm = algorithm
        switch algorithm {
        case .automatic, .cubic: mode = .cubic
        case .newReno: mode = .newReno
        case .bbr: mode = .bbr
        }
        self.seed = seed
        bbr = BBR(seed: seed)
        state = CongestionState(maximumDatagram: maximumDatagram)
    }

    // MARK: State

    /// How many bytes may be in flight: two datagrams at least, 4 GiB at most.
    public var windowBytes: Int { state.window }
    /// Bytes sent and neither acknowledged, lost nor discarded. Only packets that count towards congestion: those that
    /// ask for an acknowledgement or are padded (RFC 9002 §2).
    public var bytesInFlight: Int { state.bytesInFlight }
    /// Where slow start ends, in bytes; nil until the first slow start has ended.
    public var slowStartThreshold: Int? { state.slowStartThreshold }
    /// The window is below the threshold and doubles each round. True also in HyStart++'s conservative phase, and in BBR's
    /// startup.
    public var isInSlowStart: Bool {
        switch mode {
        case .cubic, .newReno: state.isInSlowStart
        case .bbr: bbr.phase == .startup
        }
    }
    /// The algorithm in use: with `CongestionAlgorithm.automatic` CUBIC or BBR, else the one chosen.
    public var activeAlgorithm: CongestionAlgorithm {
        switch mode {
        case .cubic: .cubic
        case .newReno: .newReno
        case .bbr: .bbr
        }
    }
    /// Whether packets need a `DeliverySnapshot`; never changes.
    public var measuresDelivery: Bool {
        switch algorithm {
        case .automatic, .bbr: true
        case .cubic, .newReno: false
        }
    }
    /// How fast the path delivers, in bytes per second: BBR's bandwidth, or the largest rate of the last ten rounds. Nil
    /// where it is not measured, or not yet.
    public var deliveryRate: UInt64? {
        let rate: Double
        switch mode {
        case .cubic, .newReno: rate = choice.bandwidth.value
        case .bbr: rate = bbr.bandwidth
        }
        return rate > 0 ? UInt64(rate) : nil
    }
    /// The largest packet number sent at the last reduction; until it is acknowledged the window does not grow.
    var recoveryEnd: UInt64? { state.recoveryEnd }
    /// Where BBR is in its cycle; means nothing while another algorithm is in use.
    var phase: BBR.Phase { bbr.phase }
    /// The part of packets that the path loses by chance, 0 to 0.1; 0 where BBR is not in use.
    public var ambientLoss: Double {
        switch mode {
        case .cubic, .newReno: 0
        case .bbr: bbr.ambient.rate
        }
    }
    /// How many more bytes may be sent now.
    public var availableBytes: Int { max(0, state.window - state.bytesInFlight) }

    /// How fast to send, in bytes per second, so that a window is spread over a round trip (RFC 9002 §7.7): twice the
    /// window per smoothed round trip in slow start, so that pacing never slows the doubling, and 1.25 times after. At
    /// least 1.
    ///
    /// With BBR it is what the model says; before the first measurement 2.77 times the window per round trip.
    public func pacingRate(rtt: RTTEstimator) -> UInt64 {
        if mode == .bbr, bbr.pacingRate > 0 { return UInt64(max(1, min(bbr.pacingRate, DeliveryRate.largestRate))) }
        let nanoseconds = UInt64(max(rtt.smoothed.nanoseconds, 1))
        // The window is at most 2^32 and a second 2^30 nanoseconds: the product, and twice it, are below 2^64.
        let rate = UInt64(state.window) * 1_000_000_000 / nanoseconds
        switch mode {
        case .cubic, .newReno: return max(1, state.isInSlowStart ? rate * 2 : rate + rate / 4)
        case .bbr: return max(1, rate * 2 + rate / 4 * 3)
        }
    }

    // MARK: Input

    /// A packet of `bytes` bytes that counts towards congestion was sent.
    public mutating func onSent(bytes: Int, packetNumber: UInt64, now: Instant) {
        let wasIdle = state.bytesInFlight == 0
        state.addToFlight(bytes, packetNumber: packetNumber)
        switch mode {
        case .cubic: if wasIdle { cubic.onIdleEnded(now: now) }
        case .newReno: break
        case .bbr: bbr.onSent(wasIdle: wasIdle, delivery: delivery, state: &state, now: now)
        }
    }

    /// The snapshot of the packet that was just reported by `onSent`, to be given back when it is acknowledged or lost.
    /// Only where `measuresDelivery`.
    public mutating func takeSnapshot(bytes: Int, now: Instant) -> DeliverySnapshot {
        delivery.snapshot(
            inFlight: state.bytesInFlight, bytes: bytes, isCalm: mode == .bbr && bbr.isCalm, now: now)
    }

    /// There is nothing more to send although the window has room: rates measured in the next round say nothing about
    /// the path.
    public mutating func onApplicationLimited() {
        if measuresDelivery { delivery.markApplicationLimited(inFlight: state.bytesInFlight) }
    }

    /// Packets numbered below were sent when the path went elsewhere: their acknowledgements are no measurement.
    public mutating func ignoreDelivery(below packetNumber: UInt64) { delivery.ignore(below: packetNumber) }

    /// A packet in flight was acknowledged for the first time; once per packet.
    ///
    /// `isApplicationLimited` says that the sender did not use its window (RFC 9002 §7.8): less was in flight than
    /// allowed, because there was nothing to send or the peer's flow control forbade it, not because of pacing. Such an
    /// acknowledgement grows nothing. Nor does any while less than half of the window has been in flight lately, so that
    /// the first packets of small bursts need not be told. `snapshot` is what `takeSnapshot` gave for the packet; nil
    /// where there is none. After all packets of an ACK, and the losses that it shows, comes `onAckProcessed`.
    public mutating func onAcknowledged(
        bytes: Int, sentAt: Instant, packetNumber: UInt64, isApplicationLimited: Bool,
        snapshot: DeliverySnapshot? = nil, rtt: RTTEstimator, now: Instant
    ) {
        state.updatePeak(acknowledged: packetNumber)
        state.removeFromFlight(bytes)
        if let snapshot {
            let counted = delivery.onAcknowledged(
                bytes: min(max(0, bytes), CongestionState.largestDatagram), snapshot: snapshot,
                packetNumber: packetNumber, sentAt: sentAt, now: now)
            if counted && snapshot.isCalm { bbr.ambient.noteCalm(packets: datagrams(bytes), lost: 0) }
        }
        if mode == .bbr { return }
        // RFC 9002 §7.3.2: no growth for what was sent before the reduction. By number and not by time, because packets
        // of one batch share one instant.
        if let recoveryEnd = state.recoveryEnd, packetNumber <= recoveryEnd { return }
        let bytes = min(max(0, bytes), CongestionState.largestDatagram)
        let isUnused = isApplicationLimited || !state.isWindowUsed
        if state.isInSlowStart {
            guard !isUnused else { return }
            let growth = state.slowStartThreshold == nil ? slowStart.growth(for: bytes) : bytes
            state.setWindow(state.window + growth)
            return
        }
        switch mode {
        case .cubic:
            cubic.onAcknowledged(
                bytes: bytes, isWindowUnused: isUnused, smoothedRTT: rtt.smoothed, now: now, state: &state)
        case .newReno:
            if !isUnused { newReno.onAcknowledged(bytes: bytes, state: &state) }
        case .bbr: break
        }
    }

    /// All packets of an ACK, and the losses that it shows, have been reported. Here BBR changes rate and window, and
    /// `CongestionAlgorithm.automatic` its choice.
    public mutating func onAckProcessed(rtt: RTTEstimator, now: Instant) {
        guard measuresDelivery else { return }
        let minimum: Interval
        switch mode {
        case .cubic, .newReno: minimum = rtt.minimum
        case .bbr: minimum = bbr.minimumRoundTrip.value ?? .zero
        }
        guard let sample = delivery.finishAck(minimumRoundTrip: minimum, now: now) else { return }
        switch mode {
        case .cubic, .newReno:
            let window = state.slowStartThreshold == nil ? state.window : nil
            switch choice.onAck(sample, rtt: rtt, slowStartWindow: window, delivery: delivery, now: now) {
            case .stay: break
            case .useBBR(let isPipeFull): useBBR(isPipeFull: isPipeFull, rtt: rtt, now: now)
            }
        case .bbr:
            bbr.onAck(sample, delivery: &delivery, state: &state, now: now)
            if algorithm == .automatic && bbr.crowdedCycles >= AlgorithmChoice.crowdedLimit { useCubic(now: now) }
        }
    }

    private mutating func useBBR(isPipeFull: Bool, rtt: RTTEstimator, now: Instant) {
        mode = .bbr
        undo = nil
        let ambient = bbr.ambient
        bbr = BBR(seed: seed &+ state.largestSent)
        bbr.ambient = ambient
        bbr.adopt(
            bandwidth: choice.bandwidth.value, roundTrip: rtt.minimum, spread: choice.spread, isPipeFull: isPipeFull,
            delivery: delivery, state: state, now: now)
        choice.restart()
    }

    private mutating func useCubic(now: Instant) {
        mode = .cubic
        undo = nil
        cubic = Cubic()
        state.setWindow(max(state.window, state.bytesInFlight))
        state.slowStartThreshold = state.window
        state.recoveryStart = now
        state.recoveryEnd = nil
        choice.onReturn(now: now)
    }

    /// A round trip was measured: at most once per received ACK, for its largest newly acknowledged packet, before or
    /// after the calls of `onAcknowledged`. Drives HyStart++ (RFC 9406) during the first slow start.
    public mutating func onRTTSample(_ sample: Interval, largestAcknowledged: UInt64, now: Instant) {
        guard mode != .bbr, state.slowStartThreshold == nil else { return }
        let isOver = slowStart.onRTTSample(
            sample, largestAcknowledged: largestAcknowledged, largestSent: state.largestSent)
        if isOver { state.slowStartThreshold = state.window }
    }

    /// A packet was declared lost. It leaves flight, and BBR counts it; `onCongestionEvent` is for the reduction of the
    /// others. `snapshot` is what `takeSnapshot` gave for the packet; nil where there is none.
    public mutating func onLost(bytes: Int, packetNumber: UInt64, snapshot: DeliverySnapshot?, now: Instant) {
        state.removeFromFlight(bytes)
        guard let snapshot else { return }
        let bytes = min(max(0, bytes), CongestionState.largestDatagram)
        let isCounted = delivery.onLost(
            bytes: bytes, datagram: state.maximumDatagram, snapshot: snapshot, packetNumber: packetNumber)
        guard isCounted else { return }
        if snapshot.isCalm { bbr.ambient.noteCalm(packets: datagrams(bytes), lost: 1) }
        switch mode {
        case .cubic, .newReno: break
        case .bbr:
            bbr.onLost(
                bytes: bytes, packetNumber: packetNumber, snapshot: snapshot, delivery: delivery, state: state, now: now
            )
        }
    }

    /// How many datagrams a packet of so many bytes has.
    private func datagrams(_ bytes: Int) -> Double { max(1, Double(bytes) / Double(state.maximumDatagram)) }

    /// A packet was forgotten without being acknowledged or lost (its path was retired): it only leaves flight.
    public mutating func onDiscarded(bytes: Int) { state.removeFromFlight(bytes) }

    /// Packets were lost, or the peer counted more ECN-CE marks (RFC 9002 §7.3.1): reduces the window, at most once per
    /// round.
    ///
    /// `sentAt` is when the newest of those packets was sent; `largestSent` is the largest packet number sent so far.
    /// The call is ignored when that packet was sent before the last reduction (RFC 9002 §7.3.2). What was before is
    /// remembered for `onSpuriousCongestion`, unless the network itself reported congestion by a mark: that is never a
    /// mistake.
    ///
    /// BBR takes marks here, and each lost packet in `onLost`. `rtt` is for `CongestionAlgorithm.automatic`, which makes
    /// nothing of losses without it.
    public mutating func onCongestionEvent(
        sentAt: Instant, largestSent: UInt64, rtt: RTTEstimator? = nil, now: Instant, isECN: Bool
    ) {
        if mode == .bbr {
            if isECN { bbr.onMark(delivery: delivery, state: state, now: now) }
            return
        }
        if let recoveryStart = state.recoveryStart, sentAt <= recoveryStart {
            if isECN { undo = nil }
            return
        }
        undo =
            isECN
            ? nil
            : Snapshot(
                window: state.window, slowStartThreshold: state.slowStartThreshold, recoveryStart: state.recoveryStart,
                recoveryEnd: state.recoveryEnd, cubic: cubic, newReno: newReno)
        if measuresDelivery, !isECN, let rtt {
            choice.onLosses(
                window: state.window, datagram: state.maximumDatagram,
                isInFirstSlowStart: state.slowStartThreshold == nil, rtt: rtt, delivery: delivery)
        }
        state.recoveryStart = now
        state.recoveryEnd = largestSent
        reduceWindow()
    }

    /// Every packet whose loss caused the last reduction turned out to be delivered: takes the reduction back (RFC 9438
    /// §4.9; the response of RFC 4015). Window, threshold and curve are as before, except that a window that has grown
    /// beyond the old one stays. Ignored when there is nothing to take back.
    public mutating func onSpuriousCongestion(now: Instant) {
        if mode == .bbr { return bbr.onSpuriousLoss(delivery: delivery, state: &state) }
        guard let before = undo else { return }
        undo = nil
        state.setWindow(max(state.window, before.window))
        state.slowStartThreshold = before.slowStartThreshold
        state.recoveryStart = before.recoveryStart
        state.recoveryEnd = before.recoveryEnd
        cubic = before.cubic
        newReno = before.newReno
        // The rounds of HyStart++ passed unseen while there was a threshold.
        slowStart.forgetRounds()
    }

    /// Everything sent over a long time was lost (RFC 9002 §7.6): the window falls to its minimum and grows again by slow
    /// start up to the threshold. Called after the `onCongestionEvent` of the same losses, which set the threshold; a
    /// later `onSpuriousCongestion` still takes back both.
    public mutating func onPersistentCongestion(now: Instant) {
        switch mode {
        case .cubic:
            if state.slowStartThreshold == nil { reduceWindow() }
            cubic.onPersistentCongestion()
        case .newReno: if state.slowStartThreshold == nil { reduceWindow() }
        case .bbr: return bbr.onPersistentCongestion(state: &state)
        }
        state.setWindow(state.minimumWindow)
        // Every acknowledgement grows the window again, but older packets still to be found lost must not lower the
        // threshold a second time, to that of the minimum window.
        state.recoveryStart = now
        state.recoveryEnd = nil
    }

    /// The path's full datagrams have a new size (path MTU discovery). The window in bytes stays, but is never below two
    /// datagrams.
    public mutating func setMaximumDatagram(_ bytes: Int) { state.setMaximumDatagram(bytes) }

    /// Takes over what `other` learned: the same network path goes on in a new session (rekey). Window, threshold and
    /// the state of the algorithm are copied; in flight is nothing, and packet numbers begin anew. With another
    /// algorithm only window and threshold are copied.
    public mutating func inherit(from other: CongestionController) {
        state = other.state
        state.beginSession()
        undo = nil
        slowStart = other.slowStart
        slowStart.forgetRounds()
        guard algorithm == other.algorithm else { return }
        cubic = other.cubic
        newReno = other.newReno
        mode = other.mode
        delivery = other.delivery
        delivery.beginSession()
        bbr = other.bbr
        bbr.beginSession()
        choice = other.choice
    }

    /// The multiplicative decrease: window and threshold fall to what the algorithm says, never below the minimum.
    private mutating func reduceWindow() {
        switch mode {
        case .cubic: state.setWindow(cubic.reduced(from: state.window))
        case .newReno: state.setWindow(newReno.reduced(from: state.window))
        case .bbr: return
        }
        state.slowStartThreshold = state.window
    }
}
