import DXSecure
import DXWire

/// Whether a member may have missed something of its group: it was started, or was alone for a while. Then it calls admins, and looks for
/// them under return tags (`docs/matchmaking.md` §6), until one has told it all. Pure.
struct GroupSleep: Sendable {
    /// Nothing that happened while this gateway was off is missing any more.
    private(set) var isOver = false
    /// Since when it may be missing something, if it is not over.
    private(set) var since: Instant
    /// Since when there is an exchange with an admin; it takes seconds until nothing is missing.
    private(set) var adminSince: Instant?
    private var aloneSince: Instant?

    /// Longer than a channel that broke takes to be there again.
    static let aloneTime = Interval.seconds(60)

    /// It was started.
    init(now: Instant) { since = now }

    /// Looks at what there is; whether something has changed.
    ///
    /// - Parameters:
    ///   - hasAdmin: there is an exchange with an admin.
    ///   - isAlone: this gateway sees no admin, and no more than half of all members.
    ///   - settleTime: how long an exchange takes until nothing is missing.
    mutating func note(hasAdmin: Bool, isAlone: Bool, settleTime: Interval, now: Instant) -> Bool {
        adminSince = hasAdmin ? adminSince ?? now : nil
        aloneSince = isAlone ? aloneSince ?? now : nil
        if !isOver {
            isOver = adminSince.map { now - $0 >= settleTime } ?? false
            return isOver
        }
        guard let aloneSince, now - aloneSince >= Self.aloneTime else { return false }
        isOver = false
        since = now
        return true
    }
}

extension GroupAgent {
    /// Whether an admin has told all that it knows; and whether that may be long ago, because the network was away.
    func noteSleep(now: Instant) {
        let hasChanged = sleep.note(
            hasAdmin: neighbours.contains(where: state.admins.contains), isAlone: isAlone,
            settleTime: core.tuning.groupUpkeepInterval * 2, now: now)
        if hasChanged { refresh() }
    }

    /// This gateway sees no admin beside itself, and no more than half of the members: what they see may be as old. While many are
    /// together one of them will hear what is new.
    private var isAlone: Bool {
        let hops = presence.hops()
        let seen = state.members.filter { member in
            ids[member.record.key].map { hops[PresenceTag($0)] != nil } ?? false
        }
        return !seen.contains { $0.isAdmin && $0.id != member } && seen.count * 2 <= state.members.count
    }
}
