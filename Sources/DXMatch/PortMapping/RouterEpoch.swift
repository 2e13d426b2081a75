import DXWire

/// The time that a router says it has kept its mappings for, and whether that agrees with ours. Where it does not, the router
/// was restarted, or lost its mappings otherwise.
struct RouterEpoch: Equatable, Sendable {
    private var seconds: UInt32?
    private var seenAt = Instant.zero

    /// By the rule of PCP (RFC 6887 §8.5): steps of a second back, and a sixteenth and two seconds between the clocks, are
    /// nothing.
    /// - Returns: whether the router still has what it had.
    mutating func continuesPCP(_ epoch: UInt32, now: Instant) -> Bool {
        defer { note(epoch, now: now) }
        guard let before = seconds else { return true }
        // 33 bits at most, so no sum overflows.
        let (old, new) = (Int64(before), Int64(epoch))
        guard new + 1 >= old else { return false }
        let server = new - old
        let client = max(0, (now - seenAt).nanoseconds / 1_000_000_000)
        return client + 2 >= server - server / 16 && server + 2 >= client - client / 16
    }

    /// By the rule of NAT-PMP (RFC 6886 §3.6): it must not be more than two seconds behind what was expected with a clock that
    /// is an eighth slow.
    /// - Returns: whether the router still has what it had.
    mutating func continuesNATPMP(_ epoch: UInt32, now: Instant) -> Bool {
        defer { note(epoch, now: now) }
        guard let before = seconds else { return true }
        let client = max(0, (now - seenAt).nanoseconds / 1_000_000_000)
        return Int64(epoch) + 2 >= Int64(before) + client / 8 * 7
    }

    private mutating func note(_ epoch: UInt32, now: Instant) {
        seconds = epoch
        seenAt = now
    }
}
