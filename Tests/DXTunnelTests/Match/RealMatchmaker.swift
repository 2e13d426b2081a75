import DXMatch
import DXSecure
import DXWire

@testable import DXTunnel

/// A matchmaker in memory with the real cryptography: veil, cookie, DTLS, tickets, AES-SIV around `MatchServer`. As simple as can be.
final class RealMatchmaker {
    let identity: Identity
    private let veil: MatchVeil
    private let context: MatchDTLS.Context
    private let tickets: TicketKeys
    /// Hashes and signatures are the same at both ends.
    private let cryptography: OpenSSLMatchClientCryptography
    private var server: MatchServer<OpenSSLMatchClientCryptography>
    private var handshakes: [MatchAttempt: Handshake] = [:]

    private final class Handshake {
        let association: MatchDTLS
        var isComplete = false
        var last: (asked: [UInt8], answer: [UInt8]) = ([], [])
        init(_ association: MatchDTLS) { self.association = association }
    }

    init(_ identity: Identity, now: Instant) throws {
        self.identity = identity
        veil = try MatchVeil(pin: identity.gatewayID, isMatchmaker: true)
        context = try MatchDTLS.Context(identity)
        tickets = try TicketKeys(now: now)
        cryptography = try OpenSSLMatchClientCryptography(pin: identity.gatewayID)
        server = MatchServer(
            MatchServerConfiguration(
                pin: identity.gatewayID, secret: Block32(1, 2, 3, 4), seed: 5, limits: .small),
            cryptography: cryptography)
    }

    var registrationCount: Int { server.status.registrations }
    var handshakeCount: Int { handshakes.count }

    /// The answer to a datagram.
    func receive(_ datagram: [UInt8], from source: Endpoint, now: Instant) throws -> [UInt8]? {
        guard let bytes = veil.open(datagram.raw) else { return nil }
        let answer: [UInt8]?
        switch try MatchMessage(reading: bytes.raw) {
        case .cookieWanted(let attempt):
            let cookie = CookieMessage(attempt: attempt, cookie: Block32(1, 2, 3, UInt64(source.port)))
            answer = TunnelMessageWriter.bytes(capacity: CookieMessage.byteCount) { cookie.write(to: &$0) }
        case .clientFlight(let flight): answer = try self.answer(flight, bytes, now: now)
        case .request(let request): answer = try self.answer(request, bytes, from: source, now: now)
        case .refresh(let refresh):
            let refreshed = try server.receiveRefresh(refresh, from: source, socket: 0, now: now)
            answer = refreshed.map { refreshed in
                TunnelMessageWriter.bytes(capacity: RefreshedMessage.byteCount) { refreshed.write(to: &$0) }
            }
        case .cookie, .serverFlight, .answer, .refreshed, .notice, .ticketRefused, .stunRequest, .stunAnswer:
            answer = nil
        }
        return try answer.map { try veil.seal($0.raw) }
    }

    /// The notices that are due.
    func notices(now: Instant) throws -> [(destination: Endpoint, datagram: [UInt8])] {
        var sent: [(Endpoint, [UInt8])] = []
        while true {
            var transmit: NoticeTransmit?
            let body = TunnelMessageWriter.bytes(capacity: MatchNotice.maximumByteCount) {
                transmit = server.pollNotice(into: &$0, now: now)
            }
            guard let transmit else { return sent }
            let head = TunnelMessageWriter.bytes(capacity: NoticeMessage.associatedByteCount) {
                NoticeMessage.writeAssociated(handle: transmit.handle, number: transmit.number, to: &$0)
            }
            let sealed = try NoticeSeal.seal(body.raw, data: head.raw, key: Bytes32(transmit.key))
            sent.append((transmit.destination, try veil.seal((head + sealed).raw)))
        }
    }

    private func answer(_ flight: ClientFlight, _ message: [UInt8], now: Instant) throws -> [UInt8]? {
        let datagram = Array(message[flight.datagram.offset...].prefix(flight.datagram.count))
        let handshake = try handshakes[flight.attempt] ?? Handshake(MatchDTLS(context))
        handshakes[flight.attempt] = handshake
        if handshake.last.asked != datagram {
            var answer: [UInt8] = []
            if handshake.isComplete {
                answer = try ticket(datagram, handshake.association, now: now)
            } else {
                handshake.isComplete = handshake.association.receive(datagram.raw) == .complete
                answer = handshake.association.takeFlight().flatMap(\.self)
            }
            handshake.last = (datagram, answer)
        }
        let answer = handshake.last.answer
        guard !answer.isEmpty else { return nil }
        return TunnelMessageWriter.bytes(capacity: ServerFlight.headByteCount + answer.count) {
            ServerFlight.write(attempt: flight.attempt, datagram: answer.raw, to: &$0)
        }
    }

    private func ticket(_ record: [UInt8], _ association: MatchDTLS, now: Instant) throws -> [UInt8] {
        guard let text = association.message(of: record.raw), let keys = association.keys,
            let proof = association.proofInput
        else { return [] }
        let wanted = try TicketWanted(reading: text.raw)
        var group = [UInt8](repeating: 0, count: 16)
        if let matchKey = wanted.matchKey {
            let signed = Array("dx match key 1".utf8) + proof.bytes
            guard cryptography.isSignature(wanted.signature, by: matchKey, over: signed.raw) else { return [] }
            group = cryptography.memberTag(of: matchKey).bytes
        }
        let sealed = try tickets.seal(keys, group: group, now: now)
        var reader = ByteReader(sealed.raw)
        let granted = TicketGranted(
            result: .granted, lifetime: 86_400, ticket: try Ticket(reading: &reader), alternatePort: 0)
        let answer = TunnelMessageWriter.bytes(capacity: TicketGranted.byteCount) { granted.write(to: &$0) }
        return association.record(of: answer.raw) ?? []
    }

    private func answer(
        _ request: RequestMessage, _ message: [UInt8], from source: Endpoint, now: Instant
    ) throws -> [UInt8]? {
        let ticket = TunnelMessageWriter.bytes(capacity: Ticket.byteCount) { request.ticket.write(to: &$0) }
        guard let facts = tickets.open(ticket.raw, now: now) else { return nil }
        let data = Array(message.prefix(RequestMessage.associatedByteCount))
        let sealed = Array(message.dropFirst(RequestMessage.associatedByteCount))
        guard let body = facts.keys.open(sealed.raw, data: data.raw, .toMatchmaker) else { return nil }
        var reader = ByteReader(facts.keys.secretBytes.raw, at: 32)
        let of = RequestFacts(
            matchKey: MatchKeyHash(bytes: facts.group), answerKey: try Block32(reading: &reader),
            sequence: request.sequence, source: source, socket: 0)
        var dropped: MatchServerDrop?
        let room = AnswerMessage.maximumBody(requestBody: body.count)
        let text = TunnelMessageWriter.bytes(capacity: room) { output in
            do throws(MatchServerDrop) {
                _ = try server.receive(body.raw, of, into: &output, now: now)
            } catch { dropped = error }
        }
        guard dropped == nil else { return nil }
        let head = TunnelMessageWriter.bytes(capacity: AnswerMessage.associatedByteCount) {
            AnswerMessage.writeAssociated(sequence: request.sequence, to: &$0)
        }
        return try head + facts.keys.seal(text.raw, data: head.raw, .fromMatchmaker)
    }
}

extension [UInt8] {
    /// The bytes as decoders take them.
    var raw: RawSpan {
        @_lifetime(borrow self)
        get { unsafe span.bytes }
    }
}
