public import DXWire

/// ADMIT (`docs/matchmaking.md` §4.4): has the matchmaker serve others for whom we vouch.
extension MatchClient {
    // MARK: Commands

    /// Wants those who have this match key to be served, from the next registration on and until `dismiss`. Asked for again at half
    /// of what was granted and after each registration, because a matchmaker that restarted has forgotten it. `admitted` or
    /// `admissionRefused` events tell what came of it.
    ///
    /// - Parameter lifetime: in seconds, `MatchConstants.minimumLifetime` to `maximumLifetime`: how long they are served after
    ///   we have gone without a word.
    public mutating func admit(_ guestKey: PublicPoint, lifetime: UInt16 = 3_600, now: Instant) throws(MatchClientError) {
        guard !isStopped else { throw .stopped }
        guard matchKey != nil else { throw .noMatchKey }
        let index = admissions.firstIndex { $0.guestKey == guestKey }
        if let index, admissions[index].lifetime == lifetime { return }
        guard index != nil || admissions.count < MatchClientLimits.admissions else { throw .tooManyAdmissions }
        let wanted = WantedAdmission(guestKey: guestKey, lifetime: lifetime)
        if let index { admissions[index] = wanted } else { admissions.append(wanted) }
        advance(now: now)
    }

    /// Wants it no more. The admission ends by itself.
    public mutating func dismiss(_ guestKey: PublicPoint) {
        admissions.removeAll { $0.guestKey == guestKey }
        exchanges.removeAll { $0.purpose == .admit(guestKey) }
    }

    /// A holder of this match key was not served: it is asked for again at once, unless it was granted a moment ago, so that a
    /// matchmaker which grants and does not serve is not asked all the time.
    public mutating func renewAdmission(of guestKey: PublicPoint, now: Instant) {
        guard let index = admissions.firstIndex(where: { $0.guestKey == guestKey }),
            admissions[index].grantedAt.map({ now - $0 >= HeldTicket<Keys>.trial }) ?? true
        else { return }
        admissions[index].renewAt = nil
        advance(now: now)
    }

    // MARK: State

    /// The match keys that are to be admitted.
    public var admittedKeys: [PublicPoint] { admissions.map(\.guestKey) }

    /// Whether a match key is to be admitted and the matchmaker has neither granted nor refused it yet.
    public func isAdmissionPending(_ guestKey: PublicPoint) -> Bool {
        admissions.contains { $0.guestKey == guestKey && $0.isPending }
    }

    // MARK: Requests

    /// When an admission is asked for next; nil when none is, or our registration is not there.
    var nextAdmission: Instant? {
        guard canRequest else { return nil }
        return admissions.lazy.filter { !isBeingAdmitted($0.guestKey) }.map(\.dueAt).min()
    }

    /// Asks for what is due.
    mutating func beginAdmissions(now: Instant) {
        guard canRequest else { return }
        for admission in admissions where admission.dueAt <= now { begin(.admit(admission.guestKey), now: now) }
    }

    private func isBeingAdmitted(_ guestKey: PublicPoint) -> Bool {
        exchanges.contains { $0.purpose == .admit(guestKey) }
    }

    /// We are registered under another name: perhaps with a matchmaker that knows of nothing.
    mutating func repeatAdmissions() {
        for index in admissions.indices {
            admissions[index].renewAt = nil
            admissions[index].grantedAt = nil
        }
    }

    /// What made admissions fail may be over.
    mutating func resetAdmissions() { for index in admissions.indices { admissions[index].retry.reset() } }

    /// Takes the answer to an ADMIT.
    mutating func onAdmitAnswer(_ answer: MatchAnswer, _ guestKey: PublicPoint, _ heard: Heard) {
        guard let index = admissions.firstIndex(where: { $0.guestKey == guestKey }) else { return }
        switch answer {
        case .admitted(let seconds):
            let lifetime = Interval.seconds(Int64(max(seconds, MatchConstants.minimumLifetime)))
            admissions[index].grantedAt = heard.at
            admissions[index].renewAt = heard.at + lifetime / 2
            admissions[index].refusal = nil
            admissions[index].retry.reset()
            tell(.admitted(guestKey, lifetime: lifetime))
        case .status(_, .notRegistered):
            // Asked again once we are registered again, but not at once each time: it could forget for ever.
            admissions[index].retry.fail(now: heard.at, random: &random)
            listing?.isLapsed = true
        case .status(_, let status):
            admissions[index].retry.fail(now: heard.at, random: &random)
            guard admissions[index].refusal != status else { return }
            admissions[index].refusal = status
            tell(.admissionRefused(guestKey, status))
        case .observed, .proveAddress, .registered, .roster, .introduced: break
        }
    }

    /// Nobody answered an ADMIT.
    mutating func onAdmitSilence(_ guestKey: PublicPoint, now: Instant) {
        guard let index = admissions.firstIndex(where: { $0.guestKey == guestKey }) else { return }
        admissions[index].retry.fail(now: now, random: &random)
    }
}
