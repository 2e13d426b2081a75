public import DXWire

/// Introductions (`docs/matchmaking.md` §4.2): ours, and those by others.
extension MatchClient {
    /// Wants to be introduced to a member. An `introduced` or `introductionFailed` event with this nonce follows within ten
    /// seconds; a registration that is being made is waited for. A nonce that is under way changes nothing.
    ///
    /// - Parameters:
    ///   - nonce: names the introduction. With the same one at several matchmakers the other's gateway sees that it is one.
    ///   - blob: for the other, in place of the registered one; empty for that.
    public mutating func introduce(
        to memberTag: MemberTag, nonce: UInt64, blob: [UInt8] = [], now: Instant
    ) throws(MatchClientError) {
        guard !isStopped else { throw .stopped }
        guard wanted != nil else { throw .notRegistering }
        guard blob.count <= MatchConstants.maximumBlob else { throw .blobTooLarge }
        guard !introductions.contains(where: { $0.nonce == nonce }) else { return }
        guard introductions.count < MatchClientLimits.introductions else { throw .tooManyIntroductions }
        introductions.append(
            WantedIntroduction(
                memberTag: memberTag, nonce: nonce, blob: blob, endsAt: now + WantedIntroduction.patience))
        advance(now: now)
    }

    /// Begins the introductions that wait for a registration.
    mutating func beginIntroductions(now: Instant) {
        guard canRequest else { return }
        for introduction in introductions { begin(.introduce(introduction.nonce), now: now) }
    }

    /// Takes the answer to an INTRODUCE.
    mutating func onIntroduceAnswer(_ answer: MatchAnswer, _ nonce: UInt64, _ body: RawSpan, _ heard: Heard) {
        guard let index = introductions.firstIndex(where: { $0.nonce == nonce }) else { return }
        switch answer {
        case .introduced(let introduced):
            let introduction = introductions.remove(at: index)
            let peer = MatchPeer(
                memberTag: introduction.memberTag, address: introduced.address, revision: introduced.revision,
                blob: [UInt8](introduced.blob, of: body))
            tell(.introduced(peer, nonce: nonce))
        case .status(_, .notRegistered) where introductions[index].canWait:
            // Asked again once we are registered again.
            introductions[index].canWait = false
            listing?.isLapsed = true
        case .status(_, .unknownMember): failIntroduction(nonce, .unknownMember)
        case .status(_, .tooOften): failIntroduction(nonce, .tooOften)
        case .status(_, let status): failIntroduction(nonce, .refused(status))
        case .observed, .proveAddress, .registered, .roster, .admitted: break
        }
    }

    /// Ends an introduction.
    mutating func failIntroduction(_ nonce: UInt64, _ failure: MatchIntroductionFailure) {
        guard let index = introductions.firstIndex(where: { $0.nonce == nonce }) else { return }
        let introduction = introductions.remove(at: index)
        tell(.introductionFailed(introduction.memberTag, nonce: nonce, failure))
    }

    /// Gives up introductions for which there was no registration in time.
    mutating func endIntroductions(now: Instant) {
        for introduction in introductions where now >= introduction.endsAt {
            exchanges.removeAll { $0.purpose == .introduce(introduction.nonce) }
            failIntroduction(introduction.nonce, .noAnswer)
        }
    }

    /// Takes a NOTICE. Each is acknowledged, whether it is new or not: the matchmaker has not heard of it. What there is no room
    /// for is not, and comes again.
    mutating func receive(_ notice: NoticeMessage, _ message: RawSpan, _ heard: Heard) -> Bool {
        guard let held = listing, held.handle == notice.handle else {
            statistics.unmatched &+= 1
            return false
        }
        let data = message.extracting(..<NoticeMessage.associatedByteCount)
        let sealed = message.extracting(NoticeMessage.associatedByteCount...)
        guard let bytes = cryptography.openNotice(sealed, data: data, key: held.key) else {
            statistics.notAuthentic &+= 1
            return true
        }
        let body = unsafe bytes.span.bytes
        let mask = cryptography.addressMask(sequence: UInt64(notice.number))
        guard let content = try? MatchNotice(reading: body, mask: mask) else {
            statistics.malformed &+= 1
            return true
        }
        guard noticeRate.take(now: heard.at), hasRoomForEvents,
            held.acknowledgements.count < HeldListing.maximumAcknowledgements
        else {
            statistics.droppedNotices &+= 1
            return true
        }
        if notice.number != 0, !held.acknowledgements.contains(notice.number) {
            listing?.acknowledgements.append(notice.number)
        }
        guard notices.insert(content.memberTag, content.nonce) else {
            statistics.repeatedNotices &+= 1
            return true
        }
        lastHeardAt = heard.at
        let peer = MatchPeer(
            memberTag: content.memberTag, address: content.address, revision: content.revision,
            blob: [UInt8](content.blob, of: body))
        tell(.notice(peer, nonce: content.nonce))
        return true
    }
}
