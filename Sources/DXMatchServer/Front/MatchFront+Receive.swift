import DXMatch
import DXSecure
import DXWire

/// What comes veiled, by its kind (`docs/matchmaking.md` §2).
extension MatchFront {
    mutating func answerSTUN(
        _ datagram: RawSpan, from source: Endpoint, at place: MatchPlace, _ sockets: STUNServer.Sockets,
        isVeiled: Bool = false, now: Instant
    ) throws(MatchFrontDrop) -> MatchReply {
        stun.sockets = sockets
        do {
            var role = place.role
            let answer = try [UInt8](capacity: STUNServer.maximumAnswer) { output throws(STUNServer.Drop) in
                role = try stun.receive(
                    datagram, from: source, at: place.role, isVeiled: isVeiled, into: &output, now: now)
            }
            counts.stunAnswers &+= 1
            return MatchReply(datagram: answer, role: role)
        } catch { throw .stun }
    }

    mutating func answerVeiled(
        _ datagram: RawSpan, from source: Endpoint, at place: MatchPlace, now: Instant
    ) throws(MatchFrontDrop) -> MatchReply? {
        guard let bytes = veil.open(datagram) else { throw .unopened }
        let message: MatchMessage
        do { message = try MatchMessage(reading: bytes.raw) } catch {
            switch error {
            case .malformed: throw .malformed
            case .unknownType: throw .unknownType
            case .unknownVersion: throw .unknownVersion
            }
        }
        var role = place.role
        guard let answer = try answer(message, bytes, from: source, at: place, leaving: &role, now: now) else {
            return nil
        }
        // A rule of the protocol, kept by the layout of its messages.
        assert(answer.count <= bytes.count, "an answer is no longer than what it answers")
        do { return MatchReply(datagram: try veil.seal(answer.raw), role: role) } catch { throw .cryptography }
    }

    /// The message that answers a message.
    ///
    /// - Parameter leaving: which socket it leaves from: the one that was asked, but for STUN's CHANGE-REQUEST.
    private mutating func answer(
        _ message: MatchMessage, _ bytes: [UInt8], from source: Endpoint, at place: MatchPlace,
        leaving: inout STUNChange, now: Instant
    ) throws(MatchFrontDrop) -> [UInt8]? {
        switch message {
        case .cookieWanted(let attempt):
            counts.cookies &+= 1
            let cookie = CookieMessage(attempt: attempt, cookie: cookies.cookie(for: source, attempt, now: now))
            return [UInt8](capacity: CookieMessage.byteCount) { cookie.write(to: &$0) }
        case .clientFlight(let flight): return try answer(flight, bytes, from: source, now: now)
        case .request(let request): return try answer(request, bytes, from: source, at: place, now: now)
        case .refresh(let refresh):
            // What it drops it counts.
            guard
                let answer = try? server.receiveRefresh(refresh, from: source, socket: place.socket, now: now)
            else { return nil }
            return [UInt8](capacity: RefreshedMessage.byteCount) { answer.write(to: &$0) }
        case .stunRequest(let request):
            guard let sockets = place.sockets else { throw .stun }
            let asked = bytes.raw.extracting(request.message.offset..<(request.message.offset + request.message.count))
            let reply = try answerSTUN(asked, from: source, at: place, sockets, isVeiled: true, now: now)
            let count = VeiledSTUN.headByteCount + reply.datagram.count
            // The errors' list of what is not understood is as long as the request made it.
            guard count <= bytes.count else { throw .stun }
            leaving = reply.role
            return [UInt8](capacity: count) { VeiledSTUN.write(answer: reply.datagram.raw, to: &$0) }
        case .cookie, .serverFlight, .answer, .refreshed, .notice, .ticketRefused, .stunAnswer: throw .unknownType
        }
    }

    // MARK: REQUEST

    private mutating func answer(
        _ request: RequestMessage, _ bytes: [UInt8], from source: Endpoint, at place: MatchPlace, now: Instant
    ) throws(MatchFrontDrop) -> [UInt8]? {
        let ticket = bytes.raw.extracting(
            MatchMessage.headByteCount..<(MatchMessage.headByteCount + Ticket.byteCount))
        guard let facts = tickets.open(ticket, now: now), let key = MatchKeyHash(facts.group),
            case let standing = standing(of: key, now: now), standing != .stranger
        else {
            counts.ticketsRefused &+= 1
            return [UInt8](capacity: 10) { MatchMessage.writeTicketRefused(sequence: request.sequence, to: &$0) }
        }
        let associated = bytes.raw.extracting(..<RequestMessage.associatedByteCount)
        let sealed = bytes.raw.extracting(RequestMessage.associatedByteCount...)
        guard let body = facts.keys.open(sealed, data: associated, .toMatchmaker) else { throw .unsealed }
        let requestFacts = RequestFacts(
            matchKey: key, answerKey: Block32(facts.keys.answerKey), sequence: request.sequence, source: source,
            socket: place.socket, isGuest: standing != .served)
        let room = AnswerMessage.maximumBody(requestBody: body.count)
        let answer: [UInt8]
        do {
            answer = try [UInt8](capacity: room) { output throws(MatchServerDrop) in
                _ = try server.receive(body.raw, requestFacts, into: &output, now: now)
            }
        } catch { return nil }
        var message = [UInt8](capacity: AnswerMessage.associatedByteCount) {
            AnswerMessage.writeAssociated(sequence: request.sequence, to: &$0)
        }
        do throws(SecureError) {
            message.append(contentsOf: try facts.keys.seal(answer.raw, data: message.raw, .fromMatchmaker))
        } catch { throw .cryptography }
        return message
    }
}

extension MatchKeyHash {
    /// The hash with these bytes; nil unless there are 16.
    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes.raw)
        guard bytes.count == Self.byteCount, let value = try? MatchKeyHash(reading: &reader) else { return nil }
        self = value
    }
}
