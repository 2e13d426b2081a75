import DXMatch
import DXSecure
import DXWire

/// FLIGHT and tickets (`docs/matchmaking.md` §2, §3).
extension MatchFront {
    /// Answers one FLIGHT; nil when there is nothing to say.
    mutating func answer(
        _ flight: ClientFlight, _ bytes: [UInt8], from source: Endpoint, now: Instant
    ) throws(MatchFrontDrop) -> [UInt8]? {
        guard cookies.isGood(flight.cookie, for: source, flight.attempt, now: now) else { throw .wrongCookie }
        let datagram = Array(bytes[flight.datagram.offset..<(flight.datagram.offset + flight.datagram.count)])
        guard !datagram.isEmpty else { throw .malformed }
        let key = HandshakeTable.Key(attempt: flight.attempt, source: source)
        if let last = handshakes.finishedExchange(key) {
            guard last.asked == datagram else { throw .handshakeFailed }
            return repeated(last, flight.attempt)
        }
        let handshake: HandshakeTable.Handshake
        if let running = handshakes.handshake(key) { handshake = running } else { handshake = try begin(key, now: now) }
        if !handshake.last.asked.isEmpty, handshake.last.asked == datagram {
            return repeated(handshake.last, flight.attempt)
        }
        let answer =
            handshake.isComplete
            ? try grantTicket(handshake, datagram, key, now: now) : try advance(handshake, datagram, key)
        handshake.last = HandshakeTable.Exchange(asked: datagram, answer: answer)
        if handshake.isComplete, handshake.hasTicket { handshakes.finish(key, now: now) }
        return message(answer, flight.attempt)
    }

    private mutating func begin(
        _ key: HandshakeTable.Key, now: Instant
    ) throws(MatchFrontDrop) -> HandshakeTable.Handshake {
        guard handshakeBudget.take(key.source, now: now) else { throw .handshakeRate }
        let result: Result<HandshakeTable.Handshake, HandshakeTable.Refusal>
        do {
            result = try handshakes.begin(key, now: now) { () throws(SecureError) in try MatchDTLS(context) }
        } catch { throw .cryptography }
        switch result {
        case .success(let handshake):
            counts.handshakes &+= 1
            return handshake
        case .failure(.full): throw .handshakesFull
        case .failure(.prefixFull): throw .handshakeRate
        }
    }

    private mutating func repeated(_ last: HandshakeTable.Exchange, _ attempt: MatchAttempt) -> [UInt8]? {
        counts.repeatedFlights &+= 1
        return message(last.answer, attempt)
    }

    /// Nil for an empty datagram.
    private func message(_ datagram: [UInt8], _ attempt: MatchAttempt) -> [UInt8]? {
        guard !datagram.isEmpty, datagram.count <= ServerFlight.maximumDatagram else { return nil }
        return [UInt8](capacity: ServerFlight.headByteCount + datagram.count) {
            ServerFlight.write(attempt: attempt, datagram: datagram.raw, to: &$0)
        }
    }

    /// Takes the handshake on. The answer is the whole flight in one datagram, which is what a client repeats for: DTLS records may
    /// share one (RFC 6347 §4.1).
    private mutating func advance(
        _ handshake: HandshakeTable.Handshake, _ datagram: [UInt8], _ key: HandshakeTable.Key
    ) throws(MatchFrontDrop) -> [UInt8] {
        let outcome = handshake.association.receive(datagram.raw)
        let flight = handshake.association.takeFlight().flatMap { $0 }
        switch outcome {
        case .incomplete: return flight
        case .complete:
            handshake.isComplete = true
            return flight
        case .wrongPin, .failed:
            // Without the alert: whoever fails here speaks another protocol.
            handshakes.end(key)
            throw .handshakeFailed
        }
    }

    // MARK: Tickets

    private mutating func grantTicket(
        _ handshake: HandshakeTable.Handshake, _ datagram: [UInt8], _ key: HandshakeTable.Key, now: Instant
    ) throws(MatchFrontDrop) -> [UInt8] {
        let association = handshake.association
        // Anybody who sees the handshake can send something else in its name: that must not end it.
        guard let record = association.message(of: datagram.raw) else { throw .handshakeFailed }
        guard let wanted = try? TicketWanted(reading: record.raw), let proof = association.proofInput,
            let keys = association.keys
        else {
            handshakes.end(key)
            throw .handshakeFailed
        }
        let answer = try ticket(wanted, proof, keys, now: now)
        let bytes = [UInt8](capacity: TicketGranted.byteCount) { answer.write(to: &$0) }
        guard let sealed = association.record(of: bytes.raw) else { throw .cryptography }
        handshake.hasTicket = true
        return sealed
    }

    /// A guest's ticket ends with its admission, but a shorter one than this would be asked for anew all the time. Requests under
    /// it are refused from the end of the admission on.
    private static let shortestTicket = Interval.seconds(60)

    private mutating func ticket(
        _ wanted: TicketWanted, _ proof: Bytes32, _ keys: MatchKeys, now: Instant
    ) throws(MatchFrontDrop) -> TicketGranted {
        var answer = TicketGranted(
            result: .notServed, lifetime: 0, ticket: .zero, alternatePort: alternatePort)
        var group = MatchKeyHash.zero
        var lifetime = TicketKeys.lifetime
        if let matchKey = wanted.matchKey {
            group = cryptography.matchKeyHash(of: matchKey)
            switch standing(of: group, now: now) {
            case .served: break
            case .guest(let end): lifetime = min(lifetime, max(end - now, Self.shortestTicket))
            case .stranger:
                counts.notServed &+= 1
                return answer
            }
            let text = Array("dx match key 1".utf8) + proof.bytes
            guard cryptography.isSignature(wanted.signature, by: matchKey, over: text.raw) else {
                counts.wrongTicketSignatures &+= 1
                return answer
            }
        }
        let name = [UInt8](capacity: MatchKeyHash.byteCount) { group.write(to: &$0) }
        let sealed: [UInt8]
        do { sealed = try tickets.seal(keys, group: name, lifetime: lifetime, now: now) } catch { throw .cryptography }
        var reader = ByteReader(sealed.raw)
        guard let ticket = try? Ticket(reading: &reader) else { preconditionFailure("a ticket has its size") }
        answer.result = .granted
        answer.lifetime = UInt32(clamping: lifetime.nanoseconds / Interval.seconds(1).nanoseconds)
        answer.ticket = ticket
        if group == .zero { counts.observeTickets &+= 1 } else { counts.tickets &+= 1 }
        return answer
    }
}
