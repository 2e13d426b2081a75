import DXWire

/// Which match keys are served because members of served ones admitted them (`docs/matchmaking.md` §4.4), and until when.
///
/// Several owners may admit one guest: it is served while any of them wants it, so nobody can take another's guests away by
/// admitting them first.
///
/// Complexity: finding O(owners of the guest), mostly one; taking out what has ended O(all), once a minute.
struct Admissions: Sendable {
    private struct Admission: Sendable, BitwiseCopyable {
        let owner: MatchKeyHash
        var until: Instant
    }

    private var byGuest: [MatchKeyHash: [Admission]] = [:]
    private var countByOwner: [MatchKeyHash: Int] = [:]
    /// The admissions held, those among them that ended within the last minute.
    private(set) var count = 0
    /// When those that have ended are taken out; nil while nothing is held.
    private(set) var nextSweep: Instant?

    /// What has ended takes its place so long at most: a sweep looks at all.
    private static let sweepInterval = Interval.seconds(60)

    /// The match keys that are admitted.
    var guests: Set<MatchKeyHash> { Set(byGuest.keys) }

    /// Until when a match key is admitted by anybody; nil when it is not at `now`.
    func end(of guest: MatchKeyHash, now: Instant) -> Instant? {
        guard let latest = byGuest[guest]?.lazy.map(\.until).max(), now < latest else { return nil }
        return latest
    }

    /// Admits a guest until then, or changes until when; false when its owner, or all together, have as many as they may.
    mutating func admit(
        _ guest: MatchKeyHash, by owner: MatchKeyHash, until: Instant, _ limits: MatchServerLimits, now: Instant
    ) -> Bool {
        if let index = byGuest[guest]?.firstIndex(where: { $0.owner == owner }) {
            byGuest[guest]?[index].until = until
            return true
        }
        guard count < limits.guests, countByOwner[owner, default: 0] < limits.guestsPerMatchKey else { return false }
        byGuest[guest, default: []].append(Admission(owner: owner, until: until))
        countByOwner[owner, default: 0] += 1
        count += 1
        if nextSweep == nil { nextSweep = now + Self.sweepInterval }
        return true
    }

    /// Takes out what has ended, when that is due.
    mutating func timeoutFired(now: Instant) {
        guard let time = nextSweep, now >= time else { return }
        nextSweep = now + Self.sweepInterval
        keep { now < $0.until }
    }

    /// Takes out what was admitted by owners for whom `isServed` does not hold.
    mutating func evict(unless isServed: (MatchKeyHash) -> Bool) { keep { isServed($0.owner) } }

    /// All that has not ended, for other instances.
    func all(now: Instant) -> [MirroredAdmission] {
        byGuest.flatMap { guest, admissions in
            admissions.lazy.filter { now < $0.until }.map { admission in
                let seconds = (admission.until - now).nanoseconds / Interval.seconds(1).nanoseconds
                return MirroredAdmission(
                    owner: admission.owner, guest: guest, lifetime: UInt16(clamping: max(1, seconds)))
            }
        }
    }

    private mutating func keep(where isKept: (Admission) -> Bool) {
        for (guest, admissions) in byGuest {
            let kept = admissions.filter(isKept)
            guard kept.count < admissions.count else { continue }
            byGuest[guest] = kept.isEmpty ? nil : kept
            for admission in admissions where !isKept(admission) { drop(admission.owner) }
        }
        if count == 0 { nextSweep = nil }
    }

    private mutating func drop(_ owner: MatchKeyHash) {
        count -= 1
        let left = countByOwner[owner, default: 1] - 1
        countByOwner[owner] = left > 0 ? left : nil
    }
}
