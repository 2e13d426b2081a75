public import DXWire

/// ROSTER (`docs/matchmaking.md` §4): who else is registered, page by page.
extension MatchClient {
    /// Wants the roster now, whenever it was last read.
    public mutating func readRoster(now: Instant) {
        guard wanted != nil, !isStopped else { return }
        roster.onWish()
        advance(now: now)
    }

    /// Whether somebody is looked for: else the roster is not read of itself. True until told.
    public mutating func needsRoster(_ isNeeded: Bool, now: Instant) {
        guard roster.isNeeded != isNeeded else { return }
        roster.isNeeded = isNeeded
        advance(now: now)
    }

    /// Begins to read when that is due.
    mutating func beginRoster(now: Instant) {
        guard canRequest, hasRoomForEvents, let time = roster.nextReading, now >= time else { return }
        roster.begin()
        begin(.roster(.zero), now: now)
    }

    /// Takes a page.
    mutating func onRosterAnswer(
        _ answer: MatchAnswer, after cursor: MemberTag, _ body: RawSpan, _ mask: AddressMask, _ heard: Heard
    ) {
        guard case .roster(let page) = answer else {
            if case .status(_, .notRegistered) = answer { listing?.isLapsed = true }
            return roster.onFailure(now: heard.at)
        }
        var peers: [MatchPeer] = []
        var reader = RosterEntryReader(page, in: body, mask: mask)
        while let entry = reader.next() {
            peers.append(
                MatchPeer(
                    memberTag: entry.memberTag, address: entry.address, revision: entry.revision,
                    blob: [UInt8](entry.blob, of: body)))
        }
        roster.onPage()
        // A cursor that does not go on, or a page with nobody before the end, would go on for ever.
        let goesOn = page.next > cursor && !peers.isEmpty && roster.pages < MatchClientLimits.rosterPages
        guard page.next == .zero || goesOn else {
            statistics.malformed &+= 1
            return roster.onFailure(now: heard.at)
        }
        tell(.roster(peers, isFirst: cursor == .zero, isLast: page.next == .zero))
        if page.next == .zero {
            roster.onEnd(now: heard.at)
        } else {
            begin(.roster(page.next), now: heard.at)
        }
    }
}
