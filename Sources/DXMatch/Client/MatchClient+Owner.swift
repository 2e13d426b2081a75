public import DXWire

/// What the owner of several machines asks of each.
extension MatchClient {
    /// Our registration, while it is in force.
    public var currentListing: MatchListing? { listing.flatMap { $0.isLapsed ? nil : $0.listing } }

    /// Something speaks for it that the NAT before us has changed its mind: the registration is refreshed at once, and made again
    /// if the matchmaker sees us elsewhere.
    public mutating func checkBinding(now: Instant) {
        guard var held = listing, !held.isLapsed, held.unanswered.isEmpty else { return }
        held.dueAt = now
        // This one wants an answer.
        held.isAnswered = false
        listing = held
    }

    /// Something speaks for it that the matchmaker gives now the ticket that it refused: it is asked at once.
    public mutating func retryTicket(now: Instant) {
        guard case .ticketRefused = problem, ticket == nil else { return }
        ticketRetry.reset()
        advance(now: now)
    }
}
