import DXWire

/// Whether a tunnel's target takes connections, as far as checks tell, or without checks the connections themselves
/// (`docs/ha.md` §2).
///
/// A machine: time and chance are arguments. After an input ask `takeCheck`, `takeChange` and `nextTimeout`. With settings it
/// is checked: the first check that succeeds makes it up; `fall` failures in a row make it down, `rise` successes in a row up
/// again. While a verdict is in doubt the next check follows soon, so that a dead target is known within about one
/// interval. Without settings `passiveFall` connections in a row that failed make it down for a while, after which the next
/// connection is the check.
struct TargetHealth: Sendable {
    /// What is known of a target. The numbers are those of `docs/wire-format.md` §7.
    enum State: UInt64, Sendable {
        /// Nothing, or nothing any more: it is used.
        case unknown = 0
        /// It takes connections.
        case up = 1
        /// It does not, and is used only when all others are down as well.
        case down = 2
    }

    /// How a target is checked.
    struct Settings: Hashable, Sendable {
        /// From the end of a check to the next one.
        var interval: Interval
        /// How long a check may take; then it has failed.
        var timeout: Interval
        /// So many successes in a row make it up.
        var rise: Int
        /// So many failures in a row make it down.
        var fall: Int
    }

    private(set) var state = State.unknown
    /// Why it is down, or why the last check failed; nil after a success.
    private(set) var reason: String?
    private let settings: Settings?
    private var isStarted = false
    private var successes = 0
    private var failures = 0
    private var nextCheck: Instant?
    private var lastCheck: Instant?
    private var running: (number: UInt64, deadline: Instant)?
    private var checkCount: UInt64 = 0
    private var hasChanged = false
    /// Without checks: when it may be tried again, and how long the pause before that was.
    private var retryAt: Instant?
    private var pause = TargetHealth.firstPause

    /// Three: a single refusal is an everyday restart, and each one more costs a client that has no other destination a reset.
    static let passiveFall = 3
    /// Five seconds: most services restart in less.
    static let firstPause = Interval.seconds(5)
    /// A minute: a client a minute is what it costs to see that it is back.
    static let longestPause = Interval.seconds(60)
    /// At least between two checks, whatever brings the next one forward.
    private static let shortestGap = Interval.milliseconds(50)

    /// Nothing is known yet.
    ///
    /// - Parameter settings: how it is checked; nil leaves it to the connections.
    init(_ settings: Settings?) { self.settings = settings }

    /// When `timeoutFired` is due.
    var nextTimeout: Instant? {
        let next = [running?.deadline, running == nil ? nextCheck : nil, retryAt].compactMap { $0 }.min()
        return next
    }

    /// Whether a check goes on.
    var isChecking: Bool { running != nil }

    /// Whether it is this one.
    func isChecking(_ number: UInt64) -> Bool { running?.number == number }

    // MARK: Inputs

    /// Somebody is interested from now on: the first check is due.
    mutating func start(now: Instant) {
        guard !isStarted else { return }
        isStarted = true
        if settings != nil { nextCheck = now }
    }

    /// Nobody is interested any more: no check is due, and what was known grows old.
    mutating func stop() {
        guard isStarted else { return }
        isStarted = false
        (nextCheck, running, retryAt) = (nil, nil, nil)
        (successes, failures) = (0, 0)
        change(to: .unknown, reason: nil)
    }

    /// Does what is due. Calling it early or late is harmless.
    mutating func timeoutFired(now: Instant, random: inout RandomSource) {
        if let running, running.deadline <= now, let settings {
            checkEnded(
                running.number, failure: "no answer within \(settings.timeout)", now: now, random: &random)
        }
        if let retryAt, retryAt <= now {
            self.retryAt = nil
            // One more failure is enough.
            failures = Self.passiveFall - 1
            change(to: .unknown, reason: reason)
        }
    }

    /// A check ended, unless its time was over before; `failure` says why it failed, nil that it succeeded.
    mutating func checkEnded(_ number: UInt64, failure: String?, now: Instant, random: inout RandomSource) {
        guard let running, running.number == number, let settings else { return }
        self.running = nil
        if let failure {
            (successes, failures) = (0, min(failures + 1, settings.fall))
            if state == .down || failures >= settings.fall {
                change(to: .down, reason: failure)
            } else {
                reason = failure
            }
        } else {
            (successes, failures) = (min(successes + 1, settings.rise), 0)
            // The first word on a target counts at once.
            if state != .down || successes >= settings.rise { change(to: .up, reason: nil) }
        }
        let isInDoubt = failures > 0 && state != .down || successes > 0 && state == .down
        let gap = isInDoubt ? min(settings.interval / 10, Self.doubtfulGap) : settings.interval
        // An eighth by chance, so that many destinations do not check one target in step.
        let spread = UInt64(max(1, gap.nanoseconds / 8))
        nextCheck = now + gap - Interval(nanoseconds: Int64(random.below(spread)))
    }

    /// A check could not be made for want of something here, which says nothing of the target: the next one is when it would have
    /// been otherwise.
    mutating func checkAbandoned(_ number: UInt64, now: Instant) {
        guard let running, running.number == number, let settings else { return }
        self.running = nil
        nextCheck = now + settings.interval
    }

    /// A connection to the target was made.
    mutating func connected() {
        // Checks know better: a web server that answers 503 takes connections.
        guard settings == nil else { return }
        (failures, retryAt, pause) = (0, nil, Self.firstPause)
        change(to: .up, reason: nil)
    }

    /// A connection to the target failed.
    mutating func connectionFailed(_ reason: String, now: Instant) {
        guard settings == nil else {
            // The check is brought forward, not replaced: it may look at more than whether a port is open.
            guard state != .down, isStarted else { return }
            let soonest = lastCheck.map { $0 + Self.shortestGap } ?? now
            nextCheck = min(nextCheck ?? now, max(now, soonest))
            return
        }
        failures = min(failures + 1, Self.passiveFall)
        guard failures >= Self.passiveFall else {
            self.reason = reason
            return
        }
        guard state != .down else { return }
        retryAt = now + pause
        pause = min(pause * 2, Self.longestPause)
        change(to: .down, reason: reason)
    }

    /// Half a second: with an interval of 5 s and two failures to be down, a dead target is known within 5.5 s.
    private static let doubtfulGap = Interval.milliseconds(500)

    private mutating func change(to new: State, reason: String?) {
        self.reason = reason
        guard new != state else { return }
        state = new
        hasChanged = true
    }

    // MARK: Outputs

    /// The number of a check to be made now, if one is due; its end is told by `checkEnded`.
    mutating func takeCheck(now: Instant) -> UInt64? {
        guard let settings, running == nil, let due = nextCheck, due <= now else { return nil }
        nextCheck = nil
        lastCheck = now
        checkCount &+= 1
        running = (checkCount, now + settings.timeout)
        return checkCount
    }

    /// Whether the state is another one than when this was asked last.
    mutating func takeChange() -> Bool {
        defer { hasChanged = false }
        return hasChanged
    }
}
