import DXMatch
import DXSecure
import DXWire
import Logging

/// Those who join, and the pairs of return tags, register under match keys that no matchmaker has heard of (`docs/matchmaking.md` §6). One
/// that serves listed groups only serves them because the group's own registration there admits them (§4.4): for a member that slept
/// the admin's does, whichever match key of the group's it still has itself.
extension MatchAgent {
    /// Has each matchmaker that the group is registered with admit those who come by invitations or return.
    func admitGuests(now: Instant) {
        for link in links where link.isWanted && link.purpose.isOfGroup {
            let guests = guestLinks(at: link.server).map(\.publicMatchKey)
            for key in link.client.admittedKeys where !guests.contains(key) { link.client.dismiss(key) }
            for key in guests {
                do { try link.client.admit(key, now: now) } catch {
                    host.logger.error(
                        "who joins or returns cannot be admitted",
                        metadata: ["matchmaker": "\(link.server)", "error": "\(error)"])
                }
            }
        }
    }

    /// Whether a link has to wait: a ticket that is asked for before the key is admitted is refused.
    func isWaitingForAdmission(_ link: MatchLink) -> Bool {
        guard !link.purpose.isOfGroup, let group = groupLink(at: link.server) else { return false }
        // The other one of the pair may be registered, and admit both.
        if link.purpose.isOfPair, case .failing = group.client.state { return false }
        return group.client.isAdmissionPending(link.publicMatchKey)
    }

    /// A matchmaker has answered: those who waited for it go on, also if it refused, because it may serve everybody.
    func onAdmissionAnswer(_ guestKey: PublicPoint, of link: MatchLink, refusal: DXMatch.MatchStatus?, now: Instant) {
        if let refusal {
            host.logger.warning(
                "a matchmaker does not admit who joins or returns",
                metadata: ["matchmaker": "\(link.server.place)", "status": "\(refusal.rawValue)"])
        }
        for guest in guestLinks(at: link.server) where guest.publicMatchKey == guestKey {
            register(guest, now: now)
            guest.client.retryTicket(now: now)
        }
    }

    /// A ticket was refused: for a guest because the matchmaker has forgotten who was admitted.
    func onTicketRefused(_ link: MatchLink, now: Instant) {
        guard !link.purpose.isOfGroup else { return }
        groupLink(at: link.server)?.client.renewAdmission(of: link.publicMatchKey, now: now)
    }

    private func guestLinks(at server: MatchmakerAddress) -> [MatchLink] {
        links.filter { $0.isWanted && !$0.purpose.isOfGroup && $0.server == server }
    }

    private func groupLink(at server: MatchmakerAddress) -> MatchLink? {
        links.first { $0.isWanted && $0.purpose.isOfGroup && $0.server == server }
    }
}

extension MatchLink {
    /// Its match key as requests name it.
    fileprivate var publicMatchKey: PublicPoint { PublicPoint(matchKey.publicKey) }
}
