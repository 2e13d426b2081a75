import DXWire

/// Requests (`docs/matchmaking.md` §4): how they go out, are repeated and given up.
extension MatchClient {
    /// Whether a request can name our registration.
    var canRequest: Bool { listing.map { $0.isCurrent && !$0.isLapsed } ?? false }

    /// Begins to ask for our address where that is wanted.
    mutating func beginObservations(now: Instant) {
        for address in observations where addresses.all.contains(address) { begin(.observe(address), now: now) }
        observations = []
    }

    /// Begins a request, unless it is under way.
    mutating func begin(_ purpose: MatchExchange.Purpose, maximumAttempts: Int = MatchExchange.attempts, now: Instant) {
        guard !exchanges.contains(where: { $0.purpose == purpose }) else { return }
        exchanges.append(MatchExchange(purpose, maximumAttempts: maximumAttempts, now: now))
    }

    /// The next request that is due.
    mutating func nextRequest(now: Instant) -> MatchTransmit? {
        while let index = exchanges.firstIndex(where: { $0.isDue(now: now) }), let held = ticket {
            let purpose = exchanges[index].purpose
            guard let destination = destination(of: exchanges[index]), let body = body(of: purpose, now: now) else {
                // What it was about is gone, or waits for another registration.
                exchanges.remove(at: index)
                if case .roster = purpose { roster.restart() }
                continue
            }
            let sequence = held.nextSequence
            ticket?.nextSequence = sequence &+ 1
            exchanges[index].onSent(sequence, roundTrip, now: now)
            guard let message = request(body, sequence, held), let transmit = seal(message, to: destination) else {
                // Counts as lost.
                continue
            }
            return transmit
        }
        return nil
    }

    /// The message of a request.
    private func request(_ body: [UInt8], _ sequence: UInt64, _ held: HeldTicket<Keys>) -> [UInt8]? {
        let associated = [UInt8](capacity: RequestMessage.associatedByteCount) { output in
            RequestMessage.writeAssociated(ticket: held.ticket, sequence: sequence, to: &output)
        }
        let (text, data) = unsafe (body.span.bytes, associated.span.bytes)
        guard let sealed = cryptography.seal(text, data: data, keys: held.keys) else { return nil }
        return associated + sealed
    }

    /// Where the next datagram of a request goes; nil when the registration that it is about is gone.
    private func destination(of exchange: MatchExchange) -> Endpoint? {
        switch exchange.purpose {
        case .observe(let address), .measure(let address): address
        case .register: addresses.address(attempt: exchange.sent.count)
        case .leave(_, let server): server
        // Only the instance that holds the registration answers these (§4.3).
        case .roster, .introduce, .admit: canRequest ? listing?.listing.server : nil
        }
    }

    /// The body of a request, padded to what its answer may need.
    private func body(of purpose: MatchExchange.Purpose, now: Instant) -> [UInt8]? {
        [UInt8](padded: RequestMessage.maximumBody) { output in
            switch purpose {
            case .observe:
                MatchRequest.writeObserve(to: &output)
                return 0
            case .measure:
                MatchRequest.writeObserve(to: &output)
                return RequestMessage.maximumBody
            case .register:
                guard let wanted else { return nil }
                writeRegister(wanted, to: &output, now: now)
                return AnswerMessage.requestBody(toHear: RegisteredAnswer.maximumByteCount)
            case .leave(let handle, _):
                MatchRequest.writeLeave(handle, to: &output)
                return 0
            case .roster(let cursor):
                guard let listing else { return nil }
                RosterRequest(handle: listing.handle, cursor: cursor).write(to: &output)
                return RequestMessage.maximumBody
            case .introduce(let nonce):
                guard let listing, let introduction = introductions.first(where: { $0.nonce == nonce }) else {
                    return nil
                }
                let request = IntroduceRequest(
                    handle: listing.handle, memberTag: introduction.memberTag, nonce: nonce)
                unsafe request.write(blob: introduction.blob.span.bytes, to: &output)
                return AnswerMessage.requestBody(toHear: IntroducedAnswer.maximumByteCount)
            case .admit(let guestKey):
                guard let listing, let admission = admissions.first(where: { $0.guestKey == guestKey }) else {
                    return nil
                }
                AdmitRequest(handle: listing.handle, guestKey: guestKey, lifetime: admission.lifetime)
                    .write(to: &output)
                return 0
            }
        }
    }

    /// Gives up what was not answered in time.
    mutating func endExchanges(now: Instant) {
        while let index = exchanges.firstIndex(where: { $0.isGivenUp(now: now) }) {
            switch exchanges.remove(at: index).purpose {
            case .observe:
                // A registration tells better than this whether there is anybody.
                if wanted == nil { onSilence(now: now) }
            case .measure(let address): tell(.measured(isAnswered: false, server: address))
            case .register:
                registerRetry.fail(now: now, random: &random)
                onSilence(now: now)
            case .leave: finishLeaving()
            case .roster: roster.onFailure(now: now)
            case .introduce(let nonce): failIntroduction(nonce, .noAnswer)
            case .admit(let guestKey): onAdmitSilence(guestKey, now: now)
            }
        }
    }

    /// Nobody answers requests. The ticket may be the reason: nobody was seen to know it; or the address was to be proved and
    /// then nothing came, as when the numbers of its requests were used before.
    private mutating func onSilence(now: Instant) {
        addresses.onSilence()
        onProblem(.noAnswer)
        let isSuspect = proofCount > 0 || !(ticket?.isConfirmed ?? true)
        proofCount = 0
        guard ticket != nil, isSuspect else { return }
        dropTicket()
        ticketRetry.fail(now: now, random: &random)
    }
}

extension IntroducedAnswer {
    /// The largest body, in bytes.
    static let maximumByteCount = 2 + Endpoint.v6MatchByteCount + 8 + 2 + MatchConstants.maximumBlob
}

extension [UInt8] {
    /// What `body` writes into `capacity` bytes of room, with zeros up to the size that it returns; nil when it returns nil.
    init?(padded capacity: Int, writing body: (inout OutputRawSpan) -> Int?) {
        var size: Int?
        self.init(capacity: capacity) { output in
            size = body(&output)
            if let size, size > output.byteCount { output.writeZeros(size - output.byteCount) }
        }
        guard size != nil else { return nil }
    }
}
