import DXWire

/// How the machine gets its ticket (`docs/matchmaking.md` §2, §3).
extension MatchClient {
    // MARK: Beginning and end

    /// Takes a ticket of an earlier run.
    mutating func take(_ kept: MatchTicket, now: Instant) {
        guard kept.expiresIn > .zero, let keys = cryptography.keys(kept.keys) else { return }
        let left = min(kept.expiresIn, HeldTicket<Keys>.mostLifetime)
        ticket = HeldTicket(
            ticket: kept.ticket, keys: keys, nextSequence: kept.nextSequence, takenAt: now, renewAt: now + left / 2,
            expiresAt: now + left, alternatePort: kept.alternatePort, features: kept.features)
        // The numbers of this run must not be those of the next one.
        tell(.ticketChanged)
    }

    /// Begins to ask for a ticket when there is none, or it is time for another.
    mutating func beginTicketExchange(now: Instant) {
        guard ticketExchange == nil, hasWork, ticketRetry.isReady(now: now) else { return }
        if let ticket, now < ticket.renewAt { return }
        let isFailing = ticketRetry.failureCount > 0
        ticketExchange = TicketExchange(
            attempt: MatchAttempt(high: random.next(), low: random.next()), dueAt: now,
            endsAt: now + TicketExchange<Cryptography.Handshake>.patience,
            maximumRounds: isFailing ? fewAttempts : TicketExchange<Cryptography.Handshake>.rounds)
    }

    /// How often a matchmaker is asked that did not answer last time: each address once, but no more than four.
    var fewAttempts: Int { max(2, min(addresses.all.count, 4)) }

    /// Lets go of a ticket that has ended, and of what failed before one that serves.
    mutating func endTicket(now: Instant) {
        guard let ticket else { return }
        if now >= ticket.expiresAt {
            dropTicket()
        } else if ticket.isConfirmed, now - ticket.takenAt >= HeldTicket<Keys>.trial, now < ticket.renewAt {
            ticketRetry.reset()
        }
    }

    /// Gives up what was not answered in time.
    mutating func endTicketExchange(now: Instant) {
        guard let exchange = ticketExchange else { return }
        let isExhausted = exchange.rounds >= exchange.maximumRounds && now >= exchange.dueAt
        guard isExhausted || now >= exchange.endsAt else { return }
        addresses.onSilence()
        let isSilent = exchange.stage == .cookie
        failTicket(isSilent ? .noAnswer : .handshake("it was not complete in time"), now: now)
    }

    /// The exchange has failed. While the ticket before it is good, that is nobody's trouble.
    private mutating func failTicket(_ problem: MatchClientProblem, now: Instant) {
        ticketExchange = nil
        ticketRetry.fail(now: now, random: &random)
        if ticket == nil { onProblem(problem) }
    }

    /// Forgets the ticket, and what was asked under it.
    mutating func dropTicket() {
        ticket = nil
        dropRequests()
    }

    /// Forgets all requests, whose answers cannot be opened any more. What was wanted is asked again.
    mutating func dropRequests() {
        for exchange in exchanges {
            if case .observe(let address) = exchange.purpose { observations.append(address) }
        }
        exchanges = []
        roster.restart()
        listing?.isCurrent = false
        finishLeaving()
    }

    /// The ticket is not known to the matchmaker. Whoever knows the pin and sees our datagrams can say so as well: once a minute it
    /// is asked for another at once, beyond that as after a failure, or handshakes would follow one another.
    mutating func onTicketRefused(_ sequence: UInt64, _ heard: Heard) -> Bool {
        guard ticket != nil, exchanges.contains(where: { $0.sentAt(sequence) != nil }) else {
            statistics.unmatched &+= 1
            return false
        }
        dropTicket()
        if refusedAt.map({ heard.at - $0 >= HeldTicket<Keys>.trial }) ?? true {
            refusedAt = heard.at
        } else {
            failTicket(.handshake("its tickets are refused as soon as they are given"), now: heard.at)
        }
        return true
    }

    // MARK: Input

    /// Takes a COOKIE.
    mutating func receive(_ cookie: CookieMessage, _ heard: Heard) -> Bool {
        guard var exchange = ticketExchange, exchange.attempt == cookie.attempt, exchange.stage == .cookie else {
            statistics.unmatched &+= 1
            return false
        }
        takeRoundTrip(of: exchange, heard)
        guard let association = cryptography.makeHandshake() else {
            failTicket(.handshake("out of memory"), now: heard.at)
            return true
        }
        exchange.cookie = cookie.cookie
        exchange.server = heard.source
        exchange.association = association
        exchange.maximumRounds = TicketExchange<Cryptography.Handshake>.rounds
        let outcome = association.start()
        ticketExchange = exchange
        onOutcome(outcome, heard)
        return true
    }

    /// Takes a FLIGHT.
    mutating func receive(_ flight: ServerFlight, _ message: RawSpan, _ heard: Heard) -> Bool {
        guard let exchange = ticketExchange, exchange.attempt == flight.attempt, let association = exchange.association
        else {
            statistics.unmatched &+= 1
            return false
        }
        let datagram = message.extracting(flight.datagram.offset..<(flight.datagram.offset + flight.datagram.count))
        switch exchange.stage {
        case .cookie: break
        case .flights: onOutcome(association.receive(datagram), heard)
        case .record:
            guard let record = association.message(of: datagram) else {
                // A flight of the handshake that comes late.
                statistics.unmatched &+= 1
                return true
            }
            let isRead = unsafe onRecord(record.span.bytes, of: exchange, heard)
            if !isRead { statistics.malformed &+= 1 }
        }
        return true
    }

    /// Goes on after the association was given something.
    private mutating func onOutcome(_ outcome: MatchHandshakeOutcome, _ heard: Heard) {
        guard var exchange = ticketExchange, let association = exchange.association else { return }
        // Records may share a datagram (RFC 6347 §4.1): one FLIGHT each way.
        let flight = association.takeFlight().flatMap(\.self)
        switch outcome {
        case .incomplete:
            // Without a new flight it was a part of the other's, or nothing new.
            guard !flight.isEmpty else { return }
            takeRoundTrip(of: exchange, heard)
            exchange.begin(.flights, flight, now: heard.at)
            ticketExchange = exchange
        case .complete:
            takeRoundTrip(of: exchange, heard)
            exchange.begin(.record, flight + wish(association), now: heard.at)
            ticketExchange = exchange
        case .wrongPin(let expected, let seen):
            addresses.onSilence()
            failTicket(.wrongPin(expected: expected, seen: seen), now: heard.at)
        case .failed(let reason):
            addresses.onSilence()
            failTicket(.handshake(reason), now: heard.at)
        }
    }

    /// Takes the matchmaker's record; false when it cannot be read.
    private mutating func onRecord(
        _ record: RawSpan, of exchange: TicketExchange<Cryptography.Handshake>, _ heard: Heard
    ) -> Bool {
        guard let granted = try? TicketGranted(reading: record), let keys = exchange.association?.keys else {
            return false
        }
        takeRoundTrip(of: exchange, heard)
        onAuthentic(heard)
        guard granted.result == .granted else {
            failTicket(.ticketRefused(granted.result), now: heard.at)
            return true
        }
        let said = Interval.seconds(Int64(granted.lifetime))
        let lifetime = min(max(said, HeldTicket<Keys>.leastLifetime), HeldTicket<Keys>.mostLifetime)
        // Not all gateways of a group at one time.
        let early = Interval(nanoseconds: Int64(random.below(UInt64(lifetime.nanoseconds / 10))))
        ticket = HeldTicket(
            ticket: granted.ticket, keys: keys, nextSequence: random.next() &>> 2, takenAt: heard.at,
            renewAt: heard.at + lifetime / 2 - early, expiresAt: heard.at + lifetime,
            alternatePort: granted.alternatePort, features: granted.features)
        ticketExchange = nil
        dropRequests()
        statistics.tickets &+= 1
        tell(.ticketChanged)
        return true
    }

    /// A flight that was sent once has an exact round trip.
    private mutating func takeRoundTrip(of exchange: TicketExchange<Cryptography.Handshake>, _ heard: Heard) {
        guard exchange.rounds == 1, let sentAt = exchange.firstSentAt else { return }
        roundTrip.take(heard.at - sentAt)
    }

    // MARK: Output

    /// The flight of the exchange, when it is to go out. A repetition has the same bytes: a matchmaker knows it by them.
    mutating func nextTicketTransmit(now: Instant) -> MatchTransmit? {
        guard var exchange = ticketExchange, now >= exchange.dueAt, now < exchange.endsAt,
            exchange.rounds < exchange.maximumRounds
        else { return nil }
        let destination = exchange.server ?? addresses.address(attempt: exchange.rounds)
        exchange.dueAt = now + roundTrip.timeout(attempt: exchange.rounds)
        exchange.rounds += 1
        if exchange.firstSentAt == nil { exchange.firstSentAt = now }
        ticketExchange = exchange
        switch exchange.stage {
        case .cookie:
            let message = [UInt8](capacity: MatchConstants.minimumCookieWanted) {
                MatchMessage.writeCookieWanted(exchange.attempt, to: &$0)
            }
            return seal(message, to: destination)
        case .flights, .record:
            // Longer than a datagram only if the keys of both were other ones than P-256.
            guard exchange.flight.count <= ClientFlight.maximumDatagram else { return nil }
            let message = [UInt8](capacity: MatchConstants.maximumMessage) { output in
                unsafe ClientFlight.write(
                    attempt: exchange.attempt, cookie: exchange.cookie, datagram: exchange.flight.span.bytes,
                    to: &output)
            }
            return seal(message, to: destination)
        }
    }

    /// The record that asks for a ticket.
    private func wish(_ association: Cryptography.Handshake) -> [UInt8] {
        let wanted = ticketWanted(association)
        return unsafe association.record(of: wanted.span.bytes) ?? []
    }

    /// TICKET_WANTED (§3).
    private func ticketWanted(_ association: Cryptography.Handshake) -> [UInt8] {
        var wanted = TicketWanted(matchKey: nil, signature: .zero)
        if let matchKey, let input = association.proofInput {
            let text = [UInt8](capacity: 14 + Block32.byteCount) { output in
                output.write(label: "dx match key 1")
                input.write(to: &output)
            }
            wanted.matchKey = cryptography.publicPoint(of: matchKey)
            wanted.signature = unsafe cryptography.sign(text.span.bytes, with: matchKey) ?? .zero
        }
        return [UInt8](capacity: TicketWanted.byteCount) { wanted.write(to: &$0) }
    }

    /// The datagram of a message.
    func seal(_ message: [UInt8], to destination: Endpoint) -> MatchTransmit? {
        guard let datagram = unsafe cryptography.seal(message: message.span.bytes) else { return nil }
        return MatchTransmit(destination: destination, datagram: datagram)
    }
}
