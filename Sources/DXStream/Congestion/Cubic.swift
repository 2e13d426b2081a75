import DXWire

/// The congestion avoidance of CUBIC (RFC 9438), in bytes.
///
/// Vocabulary, as in the RFC: an *epoch* is one stretch of congestion avoidance; `W_max` the window just before the last
/// reduction; `K` the time after which the cubic curve is back at `W_max`; `W_est` the window that Reno would have.
///
/// The curve is `W_cubic(t) = C * (t - K)^3 + W_max`, in segments and seconds. Floating-point numbers are bounded: the
/// window by `CongestionState.largestWindow`, `t - K` by `largestSpan`, so the largest value is about 3e13 and every
/// conversion to `Int` is of a number between the old window and one and a half times it. Only `+ - * /` are used, which
/// IEEE 754 defines to the bit: all platforms compute the same windows. The cube root is taken once per epoch.
struct Cubic: Sendable, BitwiseCopyable {
    /// W_max in bytes, after fast convergence; nil when there was no reduction since the start or the last timeout.
    private var maximumWindow: Double?
    /// cwnd_prior in bytes: the window just before the last reduction, without fast convergence.
    private var priorWindow = 0.0
    /// When the epoch began, moved forward by the time in which the window was not used. Nil outside an epoch.
    private var epochStart: Instant?
    /// The bytes at the curve's plateau in this epoch.
    private var plateau = 0.0
    /// K in seconds.
    private var timeToPlateau = 0.0
    /// W_est in bytes.
    private var renoWindow = 0.0
    /// What the window has beyond its whole bytes; 0 up to 1.
    private var fraction = 0.0
    /// When the last acknowledgement in congestion avoidance came; where an unused stretch begins.
    private var lastAcknowledged = Instant.zero

    /// C (RFC 9438 §5.1), segments per second cubed: how fast the curve is.
    private static let scale = 0.4
    /// beta_cubic (RFC 9438 §4.6): what a reduction leaves.
    private static let remainder = 0.7
    /// alpha_cubic (RFC 9438 §4.3): with it an additive increase at this beta gets what Reno gets with 1 at one half.
    private static let renoIncrease = 3 * (1 - remainder) / (1 + remainder)
    /// Seconds on either side of K; beyond it the target is clamped anyway. Bounds the cube.
    private static let largestSpan = 1_000.0

    /// The flow sends again after a time with nothing in flight: that time is no part of the epoch (RFC 9438 §4.2, §5.8),
    /// or the curve would have run ahead meanwhile.
    mutating func onIdleEnded(now: Instant) { skipUnused(until: now) }

    /// Grows the window for `bytes` acknowledged in congestion avoidance (RFC 9438 §4.2 to §4.5).
    ///
    /// When the flow did not use its window, the window stays and the time since the last acknowledgement is taken out
    /// of the epoch (RFC 9438 §5.8).
    mutating func onAcknowledged(
        bytes: Int, isWindowUnused: Bool, smoothedRTT: Interval, now: Instant, state: inout CongestionState
    ) {
        guard !isWindowUnused else { return skipUnused(until: now) }
        let segment = Double(state.maximumDatagram)
        let window = Double(state.window) + fraction
        let epochStart = self.epochStart ?? beginEpoch(window: window, segment: segment, now: now)
        lastAcknowledged = now
        let share = min(Double(bytes) / window, 1)
        let time = Self.seconds(now - epochStart)

        // §4.3: once W_est has reached the window before the reduction, it grows as Reno does.
        renoWindow += (renoWindow >= priorWindow ? 1 : Self.renoIncrease) * segment * share

        let grown: Double
        if curve(at: time, segment: segment) < renoWindow {
            grown = max(window, renoWindow)
        } else {
            // §4.4 concave and §4.5 convex region are the same step towards where the curve is one round trip on;
            // §4.2 bounds the step, so that one round never adds more than half.
            let ahead = curve(at: time + Self.seconds(smoothedRTT), segment: segment)
            let target = min(max(ahead, window), 1.5 * window)
            grown = window + (target - window) * share
        }
        // A jump of W_est over the window (after an undo, say) is bounded like any other growth.
        let bounded = min(grown, 1.5 * window, Double(CongestionState.largestWindow))
        let whole = Int(bounded)
        fraction = bounded - Double(whole)
        state.setWindow(whole)
    }

    /// The window after a congestion event (RFC 9438 §4.6), with fast convergence (§4.7): a flow that is reduced before
    /// it was back at its last maximum has met a new flow, and aims lower to let that one in.
    ///
    /// It is a part of the window, not of what is in flight: §4.6 allows that to a sender whose window does not grow
    /// unused. Losses and ECN marks count the same (RFC 9002 §7.3.1); the milder reduction for marks of RFC 8511 is an
    /// experiment, and is not made.
    mutating func reduced(from bytes: Int) -> Int {
        let window = Double(bytes)
        if let maximumWindow, window < maximumWindow {
            self.maximumWindow = window * (1 + Self.remainder) / 2
        } else {
            maximumWindow = window
        }
        priorWindow = window
        endEpoch()
        return Int(window * Self.remainder)
    }

    /// The path was dead for a while (RFC 9438 §4.8): what was known of it is forgotten. The next epoch starts at its own
    /// plateau, with K = 0.
    mutating func onPersistentCongestion() {
        maximumWindow = nil
        endEpoch()
    }

    private mutating func endEpoch() {
        epochStart = nil
        fraction = 0
    }

    private mutating func skipUnused(until now: Instant) {
        guard let epochStart, now > lastAcknowledged else { return }
        self.epochStart = epochStart + (now - lastAcknowledged)
        lastAcknowledged = now
    }

    /// Begins an epoch at `window` (RFC 9438 §4.2). Without a W_max above it (slow start ended without a loss, or after
    /// a timeout: §4.8, §4.10) the plateau is here and K is 0.
    private mutating func beginEpoch(window: Double, segment: Double, now: Instant) -> Instant {
        if let maximumWindow, maximumWindow > window {
            plateau = maximumWindow
            timeToPlateau = Self.cubeRoot((maximumWindow - window) / (segment * Self.scale))
        } else {
            plateau = window
            timeToPlateau = 0
            if maximumWindow == nil { priorWindow = window }
            maximumWindow = window
        }
        renoWindow = window
        epochStart = now
        return now
    }

    /// Multiplies, because a division costs as much as the rest of the curve.
    private static func seconds(_ interval: Interval) -> Double { Double(interval.nanoseconds) * 1e-9 }

    /// W_cubic in bytes, `time` seconds into the epoch.
    private func curve(at time: Double, segment: Double) -> Double {
        let span = min(max(time - timeToPlateau, -Self.largestSpan), Self.largestSpan)
        return Self.scale * span * span * span * segment + plateau
    }

    /// The cube root of a number from 0 to about 1e10, to well below a millionth, by Newton's method. It uses basic
    /// arithmetic only, unlike the C library's `cbrt`, whose last bit differs between platforms.
    static func cubeRoot(_ value: Double) -> Double {
        guard value > 0 else { return 0 }
        // A third of the exponent is a first guess within a factor of two; each step then doubles the right digits.
        var root = Double(sign: .plus, exponent: value.exponent / 3, significand: 1.5)
        for _ in 0..<8 { root -= (root - value / (root * root)) / 3 }
        return root
    }
}
