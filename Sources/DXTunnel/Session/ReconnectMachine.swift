import DXWire

/// When to call a peer: at once, then with growing pauses while it does not answer. A machine; time and randomness are
/// arguments.
struct ReconnectMachine: Sendable {
    private(set) var nextAttempt: Instant?
    private var pause = ReconnectMachine.firstPause

    /// Half a second: a restarted gateway is called again before a person notices.
    private static let firstPause = Interval.milliseconds(500)
    /// 8 s: an attempt itself lasts 10 s with HELLOs every 2.4 s, so a peer that comes back is found within seconds, for
    /// about 60 bytes a second.
    private static let longestPause = Interval.seconds(8)

    /// Wants an attempt at `time`, or earlier if one was wanted earlier.
    mutating func want(at time: Instant) { nextAttempt = min(nextAttempt ?? time, time) }

    /// Whether an attempt is due; clears it.
    mutating func takeAttempt(now: Instant) -> Bool {
        guard let nextAttempt, nextAttempt <= now else { return false }
        self.nextAttempt = nil
        return true
    }

    /// All attempts of a round failed: the next comes after a pause, with up to a quarter more by chance so that a fleet does
    /// not call in step.
    mutating func onFailed(random: inout RandomSource, now: Instant) {
        let jitter = Interval(nanoseconds: Int64(random.below(UInt64(max(1, pause.nanoseconds / 4)))))
        want(at: now + pause + jitter)
        pause = min(pause * 2, Self.longestPause)
    }

    /// What calls failed for may be over: the next one comes at `time`, and pauses are short again.
    mutating func onNews(at time: Instant) {
        want(at: time)
        pause = Self.firstPause
    }

    /// A channel is up.
    mutating func onConnected() {
        nextAttempt = nil
        pause = Self.firstPause
    }
}
