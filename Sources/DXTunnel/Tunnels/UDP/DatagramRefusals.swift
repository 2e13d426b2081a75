import DXWire

/// When a target's host refuses datagrams so often that nobody is there: three times in a row, some time apart. Pure.
///
/// A program that is restarted refuses for a moment, and one that never answers has its single refusals over weeks, which say nothing.
struct DatagramRefusals: Sendable {
    private var count = 0
    private var last: Instant?

    /// As for connections (`TargetHealth`).
    private static let fall = TargetHealth.passiveFall
    /// 300 ms: what comes at once is one refusal, and a dead target is known within a second.
    static let shortestGap = Interval.milliseconds(300)
    /// 10 s: those that lie further apart are no row.
    static let longestGap = Interval.seconds(10)

    /// The target has answered.
    mutating func answered() { (count, last) = (0, nil) }

    /// Its host has refused a datagram; true when that was one too many.
    mutating func refused(at now: Instant) -> Bool {
        if let last {
            guard now - last >= Self.shortestGap else { return false }
            if now - last > Self.longestGap { count = 0 }
        }
        last = now
        count += 1
        guard count >= Self.fall else { return false }
        count = 0
        return true
    }
}
