public import DXWire

/// ADMIT (`docs/matchmaking.md` §4.4): members of a served match key have another one served for a while.
extension MatchServer {
    /// Until when a match key that is not served by itself is served because a member of a served one wanted it; nil when it is
    /// not.
    public func admissionEnd(of matchKey: MatchKeyHash, now: Instant) -> Instant? {
        admissions.end(of: matchKey, now: now)
    }

    /// Ends what was admitted by match keys that are served no more. `evict` then takes the guests' registrations out.
    public mutating func endAdmissions(unless isServed: (MatchKeyHash) -> Bool) {
        admissions.evict(unless: isServed)
    }

    /// The match keys that are admitted, those that ended within the last minute among them.
    public var admittedKeys: Set<MatchKeyHash> { admissions.guests }

    /// Answers one ADMIT of the registration in `slot`.
    @_lifetime(output: copy output)
    mutating func answer(
        _ admit: AdmitRequest, of slot: UInt32, _ facts: RequestFacts, into output: inout OutputRawSpan, now: Instant
    ) -> MatchStatus {
        let kind = MatchRequest.Kind.admit.rawValue
        // A guest's guests would stay for ever: each could admit the other.
        guard !facts.isGuest else { return refuse(kind, .notServed, &output) }
        guard registry.take(groupRate, of: registry.registrations[slot].group, now: now) else {
            return refuse(kind, .tooOften, &output)
        }
        let lifetime = min(max(admit.lifetime, MatchConstants.minimumLifetime), MatchConstants.maximumLifetime)
        // Where everybody is served nothing has to be kept.
        if !servesAll {
            let guest = cryptography.matchKeyHash(of: admit.guestKey)
            let admission = MirroredAdmission(owner: facts.matchKey, guest: guest, lifetime: lifetime)
            guard keep(admission, now: now) else { return refuse(kind, .full, &output) }
            tell(.admitted(admission))
        }
        MatchAnswer.writeHead(kind, .done, to: &output)
        output.write(lifetime)
        return .done
    }

    /// Takes it that another instance admitted a guest.
    ///
    /// - Returns: whether there was room.
    @discardableResult
    public mutating func mirror(_ admission: MirroredAdmission, now: Instant) -> Bool {
        servesAll ? false : keep(admission, now: now)
    }

    /// All admissions that are held, whichever instance was asked: for one that comes later.
    public func heldAdmissions(now: Instant) -> [MirroredAdmission] { admissions.all(now: now) }

    private mutating func keep(_ admission: MirroredAdmission, now: Instant) -> Bool {
        let lifetime = min(admission.lifetime, MatchConstants.maximumLifetime)
        return admissions.admit(
            admission.guest, by: admission.owner, until: now + .seconds(Int64(lifetime)), limits, now: now)
    }

    /// How long a registration is good that is made or refreshed now; for a guest's no longer than it is admitted, and
    /// then the 60 s that no registration is shorter than.
    func lifetime(_ wanted: UInt16, _ facts: RequestFacts, now: Instant) -> UInt16 {
        let lifetime = min(wanted, MatchConstants.maximumLifetime)
        guard facts.isGuest else { return max(lifetime, MatchConstants.minimumLifetime) }
        let left = (admissions.end(of: facts.matchKey, now: now) ?? now) - now
        let seconds = UInt16(clamping: left.nanoseconds / Interval.seconds(1).nanoseconds)
        return max(min(lifetime, seconds), MatchConstants.minimumLifetime)
    }

    /// When a registration ends that is refreshed now: a REFRESH comes without a ticket, so this is where a guest's stay ends.
    func endAfterRefresh(_ slot: UInt32, now: Instant) -> Instant {
        let registration = registry.registrations[slot]
        let end = now + .seconds(Int64(registration.lifetime))
        let matchKey = registry.matchKeys[registry.groups[registration.group].matchKey]
        guard matchKey.isGuest else { return end }
        return max(registration.expiresAt, min(end, admissions.end(of: matchKey.hash, now: now) ?? now))
    }
}
