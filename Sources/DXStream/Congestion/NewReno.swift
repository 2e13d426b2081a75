/// The congestion avoidance of RFC 9002 §7.3: one datagram more per window acknowledged, half at a congestion event.
///
/// It is the small algorithm beside CUBIC: easy to reason about, useful to compare with.
struct NewReno: Sendable, BitwiseCopyable {
    /// Bytes acknowledged since the window last grew; below the window.
    private var acknowledgedBytes = 0

    /// Grows the window for `bytes` acknowledged in congestion avoidance, by counting bytes (RFC 9002 §B.5 without its
    /// rounding: one datagram for each full window).
    mutating func onAcknowledged(bytes: Int, state: inout CongestionState) {
        acknowledgedBytes += bytes
        guard acknowledgedBytes >= state.window else { return }
        acknowledgedBytes = min(acknowledgedBytes - state.window, state.window - 1)
        state.setWindow(state.window + state.maximumDatagram)
    }

    /// The window after a congestion event: half (RFC 9002 §7.3.2, kLossReductionFactor).
    mutating func reduced(from window: Int) -> Int {
        acknowledgedBytes = 0
        return window / 2
    }
}
