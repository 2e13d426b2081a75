import DXWire

/// ROSTER (`docs/matchmaking.md` §4): a group's members in the order of their tags, so that a member who is there all the while is
/// on one page, whoever comes and goes between two pages.
extension MatchServer {
    /// Answers one ROSTER of the registration in `slot` with as many entries as there is room for.
    @_lifetime(output: copy output)
    mutating func answer(
        _ roster: RosterRequest, of slot: UInt32, room: Int, _ mask: AddressMask, into output: inout OutputRawSpan,
        now: Instant
    ) -> MatchStatus {
        let kind = MatchRequest.Kind.roster.rawValue
        let group = registry.registrations[slot].group
        let page = page(after: roster.cursor, of: slot, room: room, now: now)
        guard page.isWorthAnswer else { return refuse(kind, .tooSmall, &output) }
        guard registry.take(groupRate, of: group, now: now) else { return refuse(kind, .tooOften, &output) }
        if roster.cursor == .zero {
            // What changes from here on may be on a page that was already given.
            let changes = registry.groups[group].changes
            registry.update(slot) { $0.seenChanges = changes }
        }
        MatchAnswer.writeHead(kind, .done, to: &output)
        output.write(UInt8(page.slots.count))
        for member in page.slots {
            let registration = registry.registrations[member]
            let entry = RosterEntry(
                memberTag: registration.memberTag, address: registration.address, revision: registration.revision)
            entry.writeFixed(blobByteCount: Int(registration.blob.byteCount), mask: mask, to: &output)
            registry.blobs.write(registration.blob, to: &output)
        }
        page.next.write(to: &output)
        return .done
    }

    /// The members of one page.
    private struct Page {
        var slots: [UInt32] = []
        /// The last of them when there are more.
        var next = MemberTag.zero
        /// False when the next entry by itself is too large.
        var isWorthAnswer = true
    }

    /// The members behind the cursor, the asker and those that have ended left out, as long as they fit.
    private func page(after cursor: MemberTag, of slot: UInt32, room: Int, now: Instant) -> Page {
        let group = registry.registrations[slot].group
        let members = registry.groups[group].members
        var page = Page()
        var left = room - RosterAnswer.fixedByteCount
        guard left >= 0 else { return Page(isWorthAnswer: false) }
        var place = cursor == .zero ? 0 : registry.place(after: cursor, in: group)
        while place < members.count {
            let member = members[place]
            place += 1
            let registration = registry.registrations[member]
            guard member != slot, registration.isLive(now: now) else { continue }
            let size = RosterEntry.fixedByteCount(registration.address) + Int(registration.blob.byteCount)
            guard size <= left, page.slots.count < Int(UInt8.max) else {
                page.isWorthAnswer = !page.slots.isEmpty
                page.next = page.slots.last.map { registry.registrations[$0].memberTag } ?? .zero
                break
            }
            left -= size
            page.slots.append(member)
        }
        return page
    }
}
