import DXWire

/// What comes from the matchmaker, told apart (`docs/matchmaking.md` §2, §4).
extension MatchClient {
    /// Takes a message; whether it was for this machine.
    mutating func take(_ parsed: MatchMessage, _ message: RawSpan, _ heard: Heard) -> Bool {
        switch parsed {
        case .cookie(let cookie): return receive(cookie, heard)
        case .serverFlight(let flight): return receive(flight, message, heard)
        case .answer(let answer): return receive(answer, message, heard)
        case .refreshed(let refreshed): return receive(refreshed, heard)
        case .notice(let notice): return receive(notice, message, heard)
        case .ticketRefused(let sequence): return onTicketRefused(sequence, heard)
        case .cookieWanted, .clientFlight, .request, .refresh, .stunRequest, .stunAnswer:
            // What only a matchmaker hears, or a socket that asks for STUN.
            statistics.malformed &+= 1
            return false
        }
    }

    /// Takes an ANSWER.
    private mutating func receive(_ answer: AnswerMessage, _ message: RawSpan, _ heard: Heard) -> Bool {
        guard let keys = ticket?.keys,
            let index = exchanges.firstIndex(where: { $0.sentAt(answer.sequence) != nil }),
            let sentAt = exchanges[index].sentAt(answer.sequence)
        else {
            statistics.unmatched &+= 1
            return false
        }
        let data = message.extracting(..<AnswerMessage.associatedByteCount)
        let sealed = message.extracting(AnswerMessage.associatedByteCount...)
        guard let bytes = cryptography.open(sealed, data: data, keys: keys) else {
            statistics.notAuthentic &+= 1
            return true
        }
        roundTrip.take(heard.at - sentAt)
        ticket?.isConfirmed = true
        onAuthentic(heard)
        let body = unsafe bytes.span.bytes
        let mask = cryptography.addressMask(sequence: answer.sequence)
        guard let content = try? MatchAnswer(reading: body, mask: mask), content.kind == exchanges[index].purpose.kind
        else {
            // Asked again, as if nothing had come: a matchmaker that says such things always is one that does not answer.
            statistics.malformed &+= 1
            return true
        }
        let purpose = exchanges.remove(at: index).purpose
        onAnswer(content, to: purpose, body, mask, heard)
        return true
    }

    private mutating func onAnswer(
        _ content: MatchAnswer, to purpose: MatchExchange.Purpose, _ body: RawSpan, _ mask: AddressMask, _ heard: Heard
    ) {
        switch purpose {
        case .observe:
            if case .observed(let address) = content { onObserved(address, heard) }
            if wanted == nil { problem = nil }
        case .measure(let address): tell(.measured(isAnswered: true, server: address))
        case .register: onRegisterAnswer(content, heard)
        case .leave: finishLeaving()
        case .roster(let cursor): onRosterAnswer(content, after: cursor, body, mask, heard)
        case .introduce(let nonce): onIntroduceAnswer(content, nonce, body, heard)
        case .admit(let guestKey): onAdmitAnswer(content, guestKey, heard)
        }
    }

    /// The matchmaker says where it sees us. Told only if it can be an address; whether it is ours nobody knows.
    mutating func onObserved(_ address: Endpoint, _ heard: Heard) {
        guard address.isSendable else {
            statistics.malformed &+= 1
            return
        }
        switch address.family {
        case .v4: observedV4 = address
        case .v6: observedV6 = address
        }
        tell(.observed(address, server: heard.source, base: heard.base))
    }
}

extension MatchAnswer {
    /// Of which request it is the answer.
    var kind: MatchRequest.Kind {
        switch self {
        case .status(let kind, _): kind
        case .observed: .observe
        case .proveAddress, .registered: .register
        case .roster: .roster
        case .introduced: .introduce
        case .admitted: .admit
        }
    }
}

extension MatchExchange.Purpose {
    /// Which request it is.
    var kind: MatchRequest.Kind {
        switch self {
        case .observe, .measure: .observe
        case .register: .register
        case .leave: .leave
        case .roster: .roster
        case .introduce: .introduce
        case .admit: .admit
        }
    }
}
