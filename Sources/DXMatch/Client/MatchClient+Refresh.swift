import DXWire

/// REFRESH (`docs/matchmaking.md` §4.1): keeps the NAT's binding and the registration, acknowledges notices.
extension MatchClient {
    /// How often a registration is refreshed: as the owner says, but three times within its lifetime.
    func refreshInterval(_ listing: MatchListing) -> Interval { min(keepalive, listing.lifetime / 3) }

    /// Refreshed more often than this, every second refresh wants no answer: the NAT hears of us as often, and the matchmaker's
    /// silence is noticed within a minute all the same. It saves a quarter of what a NAT that forgets within half a minute costs:
    /// 440 kB a day instead of 580.
    private static var leastAsking: Interval { .seconds(30) }

    /// The next refresh that is due.
    mutating func nextRefresh(now: Instant) -> MatchTransmit? {
        guard var held = listing, held.count < .max else {
            // After four billion refreshes under one ticket: not in a day.
            listing?.isLapsed = true
            return nil
        }
        var refresh = RefreshMessage(handle: held.handle, count: held.count + 1)
        if let number = held.acknowledgements.first {
            held.acknowledgements.removeFirst()
            refresh.notice = number
            refresh.flags = RefreshMessage.wantsNoAnswer
        } else {
            let isExhausted = held.unanswered.count >= HeldListing.maximumUnanswered
            guard !held.isLapsed, !isExhausted, now >= held.dueAt else { return nil }
            let interval = refreshInterval(held.listing)
            if interval < Self.leastAsking, held.isAnswered {
                refresh.flags = RefreshMessage.wantsNoAnswer
                held.isAnswered = false
                held.dueAt = now + interval
            } else {
                held.isAnswered = false
                held.unanswered.append(HeldListing.Unanswered(count: refresh.count, at: now))
                held.dueAt = now + HeldListing.patience(unanswered: held.unanswered.count, roundTrip)
            }
        }
        held.count = refresh.count
        listing = held
        refresh.code = cryptography.code(of: refresh, held.key)
        let message = [UInt8](capacity: RefreshMessage.byteCount) { refresh.write(to: &$0) }
        return seal(message, to: held.listing.server)
    }

    /// Takes a REFRESHED.
    mutating func receive(_ refreshed: RefreshedMessage, _ heard: Heard) -> Bool {
        guard var held = listing, held.handle == refreshed.handle else {
            statistics.unmatched &+= 1
            return false
        }
        guard cryptography.code(of: refreshed, held.key) ^ refreshed.code == 0 else {
            statistics.notAuthentic &+= 1
            return true
        }
        guard refreshed.count > held.answered, refreshed.count <= held.count else {
            statistics.unmatched &+= 1
            return true
        }
        onAuthentic(heard)
        held.answered = refreshed.count
        if let sent = held.unanswered.first(where: { $0.count == refreshed.count }) {
            roundTrip.take(heard.at - sent.at)
        }
        held.unanswered = []
        held.isAnswered = true
        if refreshed.flags.contains(.registerAgain) {
            // It renewed nothing.
            held.isLapsed = true
        } else if !held.isLapsed {
            held.endsAt = heard.at + held.listing.lifetime
            held.dueAt = heard.at + refreshInterval(held.listing)
        }
        if refreshed.flags.contains(.rosterChanged) { roster.onChanged() }
        if refreshed.flags.contains(.leaving), !held.isLeaving {
            held.isLeaving = true
            tell(.isLeaving)
            if addresses.onLeaving(held.listing.server) { held.isLapsed = true }
        }
        listing = held
        return true
    }

    /// Gives up a registration of which nothing was heard three times, and one that has ended.
    mutating func endRefresh(now: Instant) {
        guard let held = listing else { return }
        if now >= held.endsAt {
            listing = nil
            return
        }
        guard held.unanswered.count >= HeldListing.maximumUnanswered, now >= held.dueAt, !held.isLapsed else { return }
        statistics.lostRefreshes &+= UInt64(held.unanswered.count)
        listing?.unanswered = []
        listing?.isLapsed = true
    }
}
