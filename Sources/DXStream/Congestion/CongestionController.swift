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
    private var state: CongestionState
    private var slowStart = SlowStartExit()
    private var cubic = Cubic()
    private var newReno = NewReno()
    /// What was before the last reduction, as long as it may be taken back.
    private var undo: Snapshot?

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
    /// (RFC 9002 §7.2).
    public init(_ algorithm: CongestionAlgorithm, maximumDatagram: Int) {
        self.algorithm = algorithm
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
    /// The window is below the threshold and doubles each round. True also in HyStart++'s conservative phase.
    public var isInSlowStart: Bool { state.isInSlowStart }
    /// How many more bytes may be sent now.
    public var availableBytes: Int { max(0, state.window - state.bytesInFlight) }

    /// How fast to send, in bytes per second, so that a window is spread over a round trip (RFC 9002 §7.7): twice the
    /// window per smoothed round trip in slow start, so that pacing never slows the doubling, and 1.25 times after. At
    /// least 1.
    public func pacingRate(rtt: RTTEstimator) -> UInt64 {
        let nanoseconds = UInt64(max(rtt.smoothed.nanoseconds, 1))
        // The window is at most 2^32 and a second 2^30 nanoseconds: the product, and twice it, are below 2^64.
        let rate = UInt64(state.window) * 1_000_000_000 / nanoseconds
        return max(1, state.isInSlowStart ? rate * 2 : rate + rate / 4)
    }

    // MARK: Input

    /// A packet of `bytes` bytes that counts towards congestion was sent.
    public mutating func onSent(bytes: Int, packetNumber: UInt64, now: Instant) {
        if state.bytesInFlight == 0 {
            switch algorithm {
            case .cubic: cubic.onIdleEnded(now: now)
            case .newReno: break
            }
        }
        state.addToFlight(bytes, packetNumber: packetNumber)
    }

    /// A packet in flight was acknowledged for the first time; once per packet.
    ///
    /// `isApplicationLimited` says that the sender did not use its window (RFC 9002 §7.8): less was in flight than
    /// allowed, because there was nothing to send or the peer's flow control forbade it, not because of pacing. Such an
    /// acknowledgement grows nothing. Nor does any while less than half of the window has been in flight lately, so that
    /// the first packets of small bursts need not be told. `sentAt` is for algorithms that measure delivery; those of
    /// today do without.
    public mutating func onAcknowledged(
        bytes: Int, sentAt: Instant, packetNumber: UInt64, isApplicationLimited: Bool, rtt: RTTEstimator, now: Instant
    ) {
        state.updatePeak(acknowledged: packetNumber)
        state.removeFromFlight(bytes)
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
        switch algorithm {
        case .cubic:
            cubic.onAcknowledged(
                bytes: bytes, isWindowUnused: isUnused, smoothedRTT: rtt.smoothed, now: now, state: &state)
        case .newReno:
            if !isUnused { newReno.onAcknowledged(bytes: bytes, state: &state) }
        }
    }

    /// A round trip was measured: at most once per received ACK, for its largest newly acknowledged packet, before or
    /// after the calls of `onAcknowledged`. Drives HyStart++ (RFC 9406) during the first slow start.
    public mutating func onRTTSample(_ sample: Interval, largestAcknowledged: UInt64, now: Instant) {
        guard state.slowStartThreshold == nil else { return }
        let isOver = slowStart.onRTTSample(
            sample, largestAcknowledged: largestAcknowledged, largestSent: state.largestSent)
        if isOver { state.slowStartThreshold = state.window }
    }

    /// A packet was declared lost. It only leaves flight; `onCongestionEvent` is for the reduction.
    public mutating func onLost(bytes: Int) { state.removeFromFlight(bytes) }

    /// A packet was forgotten without being acknowledged or lost (its path was retired): it only leaves flight.
    public mutating func onDiscarded(bytes: Int) { state.removeFromFlight(bytes) }

    /// Packets were lost, or the peer counted more ECN-CE marks (RFC 9002 §7.3.1): reduces the window, at most once per
    /// round.
    ///
    /// `sentAt` is when the newest of those packets was sent; `largestSent` is the largest packet number sent so far.
    /// The call is ignored when that packet was sent before the last reduction (RFC 9002 §7.3.2). What was before is
    /// remembered for `onSpuriousCongestion`, unless the network itself reported congestion by a mark: that is never a
    /// mistake.
    public mutating func onCongestionEvent(sentAt: Instant, largestSent: UInt64, now: Instant, isECN: Bool) {
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
        state.recoveryStart = now
        state.recoveryEnd = largestSent
        reduceWindow()
    }

    /// Every packet whose loss caused the last reduction turned out to be delivered: takes the reduction back (RFC 9438
    /// §4.9; the response of RFC 4015). Window, threshold and curve are as before, except that a window that has grown
    /// beyond the old one stays. Ignored when there is nothing to take back.
    public mutating func onSpuriousCongestion(now: Instant) {
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
        if state.slowStartThreshold == nil { reduceWindow() }
        switch algorithm {
        case .cubic: cubic.onPersistentCongestion()
        case .newReno: break
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
    }

    /// The multiplicative decrease: window and threshold fall to what the algorithm says, never below the minimum.
    private mutating func reduceWindow() {
        switch algorithm {
        case .cubic: state.setWindow(cubic.reduced(from: state.window))
        case .newReno: state.setWindow(newReno.reduced(from: state.window))
        }
        state.slowStartThreshold = state.window
    }
}
