import DXWire
import Testing

@testable import DXMatch

/// A matchmaker in memory: the machine under test's other end, with a front as simple as can be around `MatchServer`. Knows no loss
/// and no limits of rate, but what a test tells it to do.
final class FakeMatchmaker {
    let pin: GatewayID
    private(set) var server: MatchServer<FakeCryptography>
    private let cryptography = FakeCryptography()

    /// What tickets are sealed with: another one after a loss of keys.
    var ticketKey: UInt64 = 1
    /// Says nothing at all.
    var isSilent = false
    /// What is said to who wants a ticket.
    var result = TicketGranted.Result.granted
    /// How long tickets are good, in seconds.
    var lifetime: UInt32 = 86_400
    /// The pin that is shown in handshakes.
    var shownPin: GatewayID
    /// In place of the answer to a request.
    var lie: ((MatchRequest, _ mask: AddressMask) -> [UInt8]?)?
    /// Every ticket is refused.
    var refusesTickets = false

    /// Messages heard, by kind.
    private(set) var heard: [MatchMessage.Kind: Int] = [:]
    /// Requests heard whose body opened, by kind.
    private(set) var requests: [MatchRequest.Kind: Int] = [:]
    private var handshakes: [Key: Handshake] = [:]
    private var randoms: UInt64 = 1_000_000

    private struct Key: Hashable {
        let attempt: MatchAttempt
        let source: Endpoint
    }

    private final class Handshake {
        let association: FakeHandshake
        var isComplete = false
        var last: (asked: [UInt8], answer: [UInt8]) = ([], [])
        init(_ association: FakeHandshake) { self.association = association }
    }

    init(pin: GatewayID, seed: UInt64 = 7) {
        self.pin = pin
        shownPin = pin
        server = Self.server(pin, seed)
    }

    private static func server(_ pin: GatewayID, _ seed: UInt64) -> MatchServer<FakeCryptography> {
        MatchServer(
            MatchServerConfiguration(
                pin: pin, secret: Block32(1, 2, 3, 4), seed: seed, limits: MatchLab.generous),
            cryptography: FakeCryptography())
    }

    /// Forgets everybody; with `keys` tickets too.
    func restart(losingKeys keys: Bool) {
        // Other handles than those of the run before.
        randoms += 1
        server = Self.server(pin, randoms)
        handshakes = [:]
        if keys { ticketKey += 1 }
    }

    var isLeaving: Bool {
        get { server.isLeaving }
        set { server.isLeaving = newValue }
    }

    var nextTimeout: Instant? { server.nextTimeout }

    // MARK: Input and output

    /// The answer to a datagram.
    func receive(_ datagram: [UInt8], from source: Endpoint, now: Instant) -> [UInt8]? {
        guard !isSilent,
            let message = FakeClientCryptography.opened(
                datagram, headByteCount: 12, key: FakeClientCryptography.key(pin, fromMatchmaker: false)),
            let parsed = try? MatchMessage(reading: message.raw)
        else { return nil }
        heard[parsed.kind, default: 0] += 1
        guard let answer = answer(parsed, message, from: source, now: now) else { return nil }
        #expect(answer.count <= message.count)
        return sealed(answer)
    }

    func timeoutFired(now: Instant) -> [(destination: Endpoint, datagram: [UInt8])] {
        server.timeoutFired(now: now)
        var sent: [(Endpoint, [UInt8])] = []
        while true {
            var transmit: NoticeTransmit?
            let body = Written.bytes(capacity: MatchNotice.maximumByteCount) {
                transmit = server.pollNotice(into: &$0, now: now)
            }
            guard let transmit else { return isSilent ? [] : sent }
            let head = Written.bytes {
                NoticeMessage.writeAssociated(handle: transmit.handle, number: transmit.number, to: &$0)
            }
            let message = head + FakeClientCryptography.sivSealed(body, data: head, key: transmit.key)
            sent.append((transmit.destination, sealed(message)))
        }
    }

    /// A message as it goes out.
    func sealed(_ message: [UInt8]) -> [UInt8] {
        FakeClientCryptography.sealed(
            [UInt8](repeating: 1, count: 12), message, key: FakeClientCryptography.key(pin, fromMatchmaker: true))
    }

    private func answer(_ parsed: MatchMessage, _ message: [UInt8], from source: Endpoint, now: Instant) -> [UInt8]? {
        switch parsed {
        case .cookieWanted(let attempt):
            let cookie = CookieMessage(attempt: attempt, cookie: cookie(attempt, source))
            return Written.bytes { cookie.write(to: &$0) }
        case .clientFlight(let flight): return answer(flight, message, from: source)
        case .request(let request): return answer(request, message, from: source, now: now)
        case .refresh(let refresh):
            guard let answer = try? server.receiveRefresh(refresh, from: source, socket: 0, now: now) else {
                return nil
            }
            return Written.bytes { answer.write(to: &$0) }
        case .cookie, .serverFlight, .answer, .refreshed, .notice, .ticketRefused, .stunRequest, .stunAnswer:
            Issue.record("a gateway said what only a matchmaker says")
            return nil
        }
    }

    // MARK: Tickets

    private func cookie(_ attempt: MatchAttempt, _ source: Endpoint) -> Block32 {
        Block32(attempt.high, attempt.low, source.low, UInt64(source.port))
    }

    private func answer(_ flight: ClientFlight, _ message: [UInt8], from source: Endpoint) -> [UInt8]? {
        guard flight.cookie == cookie(flight.attempt, source) else { return nil }
        let datagram = message[flight.datagram]
        let key = Key(attempt: flight.attempt, source: source)
        let handshake: Handshake
        if let known = handshakes[key] {
            handshake = known
        } else {
            randoms += 1
            handshake = Handshake(FakeHandshake(server: shownPin, random: randoms))
            handshakes[key] = handshake
        }
        if handshake.last.asked != datagram {
            var answer: [UInt8] = []
            if handshake.isComplete {
                guard let record = handshake.association.message(of: datagram.raw) else { return nil }
                answer = granted(record, handshake.association)
            } else {
                handshake.isComplete = handshake.association.receive(datagram.raw) == .complete
                answer = handshake.association.takeFlight().flatMap(\.self)
            }
            handshake.last = (datagram, answer)
        }
        let answer = handshake.last.answer
        guard !answer.isEmpty else { return nil }
        return Written.bytes { ServerFlight.write(attempt: flight.attempt, datagram: answer.raw, to: &$0) }
    }

    private func granted(_ record: [UInt8], _ association: FakeHandshake) -> [UInt8] {
        guard let wanted = try? TicketWanted(reading: record.raw), let keys = association.keys,
            let input = association.proofInput
        else { return [] }
        var group = MatchKeyHash.zero
        if let matchKey = wanted.matchKey {
            let text = Array("dx match key 1".utf8) + input.bytes
            let isSigned = cryptography.isSignature(wanted.signature, by: matchKey, over: text.raw)
            #expect(isSigned)
            group = MatchKeyHash(headOf: cryptography.sha256(Written.bytes { matchKey.write(to: &$0) }.raw))
        }
        var answer = TicketGranted(
            result: result, lifetime: lifetime, ticket: .zero, alternatePort: 3_479)
        if result == .granted { answer.ticket = ticket(keys, group) }
        let bytes = Written.bytes { answer.write(to: &$0) }
        return association.record(of: bytes.raw) ?? []
    }

    private func ticket(_ keys: FakeClientCryptography.Keys, _ group: MatchKeyHash) -> Ticket {
        let bytes = Written.bytes {
            $0.write(UInt32(truncatingIfNeeded: ticketKey))
            $0.writeZeros(12)
            keys.toMatchmaker.write(to: &$0)
            keys.fromMatchmaker.write(to: &$0)
            group.write(to: &$0)
            $0.writeZeros(8 + 16)
        }
        var reader = ByteReader(bytes.raw)
        return try! Ticket(reading: &reader)
    }

    // MARK: Requests

    private func answer(
        _ request: RequestMessage, _ message: [UInt8], from source: Endpoint, now: Instant
    ) -> [UInt8]? {
        guard request.ticket.keyNumber == UInt32(truncatingIfNeeded: ticketKey), !refusesTickets else {
            return Written.bytes { MatchMessage.writeTicketRefused(sequence: request.sequence, to: &$0) }
        }
        let ticket = Written.bytes { request.ticket.write(to: &$0) }
        var reader = ByteReader(ticket.raw, at: 16)
        guard let to = try? Block32(reading: &reader), let from = try? Block32(reading: &reader),
            let group = try? MatchKeyHash(reading: &reader)
        else { return nil }
        let data = Array(message.prefix(RequestMessage.associatedByteCount))
        let sealed = Array(message.dropFirst(RequestMessage.associatedByteCount))
        guard let body = FakeClientCryptography.sivOpened(sealed, data: data, key: to) else { return nil }
        let facts = RequestFacts(
            matchKey: group, answerKey: from, sequence: request.sequence, source: source, socket: 0)
        let room = AnswerMessage.maximumBody(requestBody: body.count)
        var isDropped = false
        var text = Written.bytes(capacity: room) { output in
            do { _ = try server.receive(body.raw, facts, into: &output, now: now) } catch { isDropped = true }
        }
        if let parsed = try? MatchRequest(reading: body.raw) {
            requests[parsed.kind, default: 0] += 1
            let mask = cryptography.addressMask(sequence: request.sequence)
            if let lie = lie?(parsed, mask) {
                text = lie
                isDropped = false
            }
        }
        guard !isDropped else { return nil }
        let head = Written.bytes { AnswerMessage.writeAssociated(sequence: request.sequence, to: &$0) }
        return head + FakeClientCryptography.sivSealed(text, data: head, key: from)
    }
}
