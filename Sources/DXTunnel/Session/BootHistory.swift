import DXWire

/// Tells a peer that restarted from two gateways with one key, as when a memory card was copied: each start of a gateway has
/// a random number (`docs/wire-format.md` §4). When one comes while another is in use, that one is asked: a gateway that
/// restarted does not answer under its old number, and one that has a twin does. So a twin takes nothing from who was first.
/// A machine; time is an argument.
struct BootHistory: Sendable {
    /// The start that is in use.
    private var current: UInt64?
    private var past: [UInt64] = []
    private(set) var twin: Twin?

    /// Two gateways with one key.
    struct Twin: Hashable, Sendable {
        /// Where the one is that is in use, and where the other one.
        var used: Endpoint
        var other: Endpoint
        /// When the other was heard last.
        var at: Instant
    }

    /// What to do with a session of a start.
    enum Verdict: Hashable, Sendable {
        /// Use it.
        case use
        /// Ask the one that is in use whether it still runs, then say `follow` or `refuse`.
        case ask
        /// Let it go: the other gateway is in use, and would be thrown out.
        case refuse
    }

    /// A device that starts again and again is remembered this far back.
    private static let mostPast = 16
    /// One that has not been heard for so long was switched off.
    static let twinMemory = Interval.seconds(600)

    /// A session of the start `boot` wants to be used. `used` is where the peer is now, when that is heard.
    mutating func judge(_ boot: UInt64, from remote: Endpoint, used: Endpoint?, now: Instant) -> Verdict {
        guard boot != current else { return .use }
        let isBack = past.contains(boot)
        if isBack { twin = Twin(used: used ?? remote, other: used == nil ? twin?.used ?? remote : remote, at: now) }
        guard used == nil || current == nil else { return isBack ? .refuse : .ask }
        follow(boot)
        return .use
    }

    /// The start that was in use is over: this one came after it.
    mutating func follow(_ boot: UInt64) {
        past.removeAll { $0 == boot }
        if let current { remember(current) }
        current = boot
    }

    /// The start that is in use still runs: this one is another gateway with the same key.
    mutating func refuse(_ boot: UInt64, from remote: Endpoint, used: Endpoint, now: Instant) {
        remember(boot)
        twin = Twin(used: used, other: remote, at: now)
    }

    private mutating func remember(_ boot: UInt64) {
        past.append(boot)
        if past.count > Self.mostPast { past.removeFirst() }
    }

    /// Forgets a twin that has not been heard for long.
    mutating func expire(now: Instant) {
        if let twin, twin.at + Self.twinMemory <= now { self.twin = nil }
    }
}
