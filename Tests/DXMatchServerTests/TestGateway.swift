import DXMatch
import DXSecure
import DXWire
import Testing

@testable import DXMatchServer

/// How a test's gateway and a matchmaker hear each other.
protocol TestTransport: AnyObject {
    /// The address that the matchmaker sees.
    var address: Endpoint { get }
    /// Sends a datagram, and gives the answer if one comes. No answer may be longer than its datagram: held to it here.
    func exchange(_ datagram: [UInt8]) -> [UInt8]?
    /// The next datagram that was not asked for.
    func hear() -> [UInt8]?
}

/// A gateway's end of everything, made of the parts that a gateway has too: veil, handshake, ticket, requests.
final class TestGateway {
    /// What goes wrong in a test, in words.
    struct Failure: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    let pin: GatewayID
    let veil: MatchVeil
    let matchKey: Identity?
    let memberKey: Identity
    var transport: any TestTransport
    let cryptography = OpenSSLMatchCryptography()
    var groupTag = GroupTag(high: 0xbb, low: 1)
    var blob: [UInt8]
    var revision: UInt64 = 1
    var keys: MatchKeys?
    var ticket = Ticket.zero
    var sequence: UInt64 = 0
    var handle = Handle(rawValue: 0)
    var refreshCount: UInt32 = 0

    init(pin: GatewayID, matchKey: Identity?, over transport: any TestTransport, blob: [UInt8] = Array(1...200)) throws
    {
        self.pin = pin
        self.matchKey = matchKey
        self.transport = transport
        self.blob = blob
        veil = try MatchVeil(pin: pin, isMatchmaker: false)
        memberKey = try Identity.generate()
    }

    // MARK: Messages

    var attempt = MatchAttempt(high: .random(in: .min ... .max), low: .random(in: .min ... .max))
    var memberTag: MemberTag { cryptography.memberTag(of: Self.point(memberKey)) }

    static func point(_ identity: Identity) -> PublicPoint {
        let bytes = identity.publicKey.bytes
        var reader = ByteReader(bytes.raw)
        return try! PublicPoint(reading: &reader)
    }

    static func signature(_ identity: Identity, _ text: [UInt8]) throws -> MatchSignature {
        let bytes = try identity.sign(text.raw).bytes
        var reader = ByteReader(bytes.raw)
        return try MatchSignature(reading: &reader)
    }

    func sealed(_ message: [UInt8]) throws -> [UInt8] { try veil.seal(message.raw) }

    func opened(_ datagram: [UInt8]) throws -> (MatchMessage, [UInt8]) {
        guard let bytes = veil.open(datagram.raw) else { throw Failure("what came does not open") }
        return (try MatchMessage(reading: bytes.raw), bytes)
    }

    /// Sends a message; nil when nothing comes.
    func exchange(_ message: [UInt8]) throws -> (MatchMessage, [UInt8])? {
        guard let answer = transport.exchange(try sealed(message)) else { return nil }
        return try opened(answer)
    }

    // MARK: A ticket

    func askForCookie() throws -> Block32 {
        let message = [UInt8](capacity: 64) { MatchMessage.writeCookieWanted(attempt, to: &$0) }
        guard case .cookie(let cookie)? = try exchange(message)?.0, cookie.attempt == attempt else {
            throw Failure("no cookie")
        }
        return cookie.cookie
    }

    func flight(_ datagram: [UInt8], _ cookie: Block32) -> [UInt8] {
        [UInt8](capacity: MatchConstants.maximumMessage) {
            ClientFlight.write(attempt: attempt, cookie: cookie, datagram: datagram.raw, to: &$0)
        }
    }

    /// One flight and the DTLS datagram that answers it.
    func exchangeFlight(_ datagram: [UInt8], _ cookie: Block32) throws -> [UInt8]? {
        guard let (message, bytes) = try exchange(flight(datagram, cookie)) else { return nil }
        guard case .serverFlight(let answer) = message, answer.attempt == attempt else { throw Failure("no flight") }
        return Array(bytes[answer.datagram.offset..<(answer.datagram.offset + answer.datagram.count)])
    }

    /// A complete handshake.
    func handshake(_ cookie: Block32) throws -> MatchDTLS {
        let association = try MatchDTLS(MatchDTLS.Context(pin: pin))
        var outcome = association.start()
        while outcome == .incomplete {
            let flight = association.takeFlight()
            guard flight.count == 1 else { throw Failure("a flight of \(flight.count) datagrams") }
            guard let answer = try exchangeFlight(flight[0], cookie) else {
                throw Failure("a flight without an answer")
            }
            outcome = association.receive(answer.raw)
        }
        guard outcome == .complete else { throw Failure("\(outcome)") }
        return association
    }

    /// The record that asks for a ticket.
    func wish(_ association: MatchDTLS, signedBy signer: Identity? = nil) throws -> [UInt8] {
        var wanted = TicketWanted(matchKey: nil, signature: .zero)
        if let matchKey, let proof = association.proofInput {
            wanted.matchKey = Self.point(matchKey)
            wanted.signature = try Self.signature(signer ?? matchKey, Array("dx match key 1".utf8) + proof.bytes)
        }
        let bytes = [UInt8](capacity: TicketWanted.byteCount) { wanted.write(to: &$0) }
        guard let record = association.record(of: bytes.raw) else { throw Failure("no record") }
        return record
    }

    /// The whole of it, until there is a ticket or a refusal.
    @discardableResult
    func takeTicket(signedBy signer: Identity? = nil) throws -> TicketGranted {
        attempt = MatchAttempt(high: .random(in: .min ... .max), low: .random(in: .min ... .max))
        let cookie = try askForCookie()
        let association = try handshake(cookie)
        guard let answer = try exchangeFlight(try wish(association, signedBy: signer), cookie),
            let record = association.message(of: answer.raw)
        else { throw Failure("no answer to the wish") }
        let granted = try TicketGranted(reading: record.raw)
        if granted.result == .granted {
            ticket = granted.ticket
            keys = association.keys
            sequence = 0
        }
        return granted
    }

    // MARK: Requests

    /// The message of a request, padded so that an answer's body of `hears` bytes fits.
    func request(_ body: [UInt8], hears: Int = 0) throws -> [UInt8] {
        sequence += 1
        guard let keys else { throw Failure("no ticket") }
        let padding = max(0, AnswerMessage.requestBody(toHear: hears) - body.count)
        var message = [UInt8](capacity: RequestMessage.associatedByteCount) {
            RequestMessage.writeAssociated(ticket: ticket, sequence: sequence, to: &$0)
        }
        let padded = body + [UInt8](repeating: 0, count: padding)
        message += try keys.seal(padded.raw, data: message.raw, .toMatchmaker)
        return message
    }

    var mask: AddressMask { cryptography.addressMask(sequence: sequence) }

    /// The body of the answer to a request; nil when nothing comes.
    func ask(_ body: [UInt8], hears: Int = 0) throws -> [UInt8]? {
        guard let (message, bytes) = try exchange(try request(body, hears: hears)) else { return nil }
        return try answerBody(message, bytes)
    }

    func answerBody(_ message: MatchMessage, _ bytes: [UInt8]) throws -> [UInt8] {
        guard case .answer(let answer) = message, answer.sequence == sequence else {
            throw Failure("no answer: \(message)")
        }
        let associated = bytes.raw.extracting(..<AnswerMessage.associatedByteCount)
        let sealed = bytes.raw.extracting(AnswerMessage.associatedByteCount...)
        guard let body = keys?.open(sealed, data: associated, .fromMatchmaker) else { throw Failure("a broken seal") }
        return body
    }

    func answer(_ body: [UInt8], hears: Int = 0) throws -> MatchAnswer {
        guard let answer = try ask(body, hears: hears) else { throw Failure("silence") }
        return try MatchAnswer(reading: answer.raw, mask: mask)
    }

    func observe() throws -> Endpoint {
        let body = [UInt8](capacity: 1) { MatchRequest.writeObserve(to: &$0) }
        guard case .observed(let endpoint) = try answer(body, hears: 30) else { throw Failure("not observed") }
        return endpoint
    }

    func registerBody(proof: AddressProof, signedBy signer: Identity? = nil) throws -> [UInt8] {
        var register = RegisterRequest(
            groupTag: groupTag, memberKey: Self.point(memberKey), revision: revision, lifetime: 600, proof: proof)
        let hash = cryptography.sha256(blob.raw)
        let text = [UInt8](capacity: RegisterRequest.signedByteCount) {
            register.writeSigned(pin: pin, blobHash: hash, to: &$0)
        }
        register.signature = try Self.signature(signer ?? memberKey, text)
        let blob = blob
        return [UInt8](capacity: RegisterRequest.fixedByteCount + blob.count) {
            register.write(blob: blob.raw, to: &$0)
        }
    }

    /// Both REGISTERs.
    @discardableResult
    func register() throws -> RegisteredAnswer {
        guard case .proveAddress(let proof, let observed) = try answer(try registerBody(proof: .zero)) else {
            throw Failure("no proof wanted")
        }
        #expect(observed == transport.address)
        let second = try answer(try registerBody(proof: proof))
        guard case .registered(let answer) = second else { throw Failure("not registered: \(second)") }
        handle = answer.handle
        refreshCount = 0
        return answer
    }

    var handleKey: HandleKey {
        get throws {
            guard let keys else { throw Failure("no ticket") }
            return cryptography.handleKey(handle, answerKey: Block32(keys.answerKey))
        }
    }

    func refreshMessage(notice: UInt32 = 0) throws -> [UInt8] {
        refreshCount += 1
        var refresh = RefreshMessage(handle: handle, count: refreshCount, notice: notice)
        refresh.code = cryptography.code(of: refresh, try handleKey)
        return [UInt8](capacity: RefreshMessage.byteCount) { refresh.write(to: &$0) }
    }

    func refresh(notice: UInt32 = 0) throws -> RefreshedMessage? {
        guard let (message, _) = try exchange(try refreshMessage(notice: notice)) else { return nil }
        guard case .refreshed(let refreshed) = message else { throw Failure("not refreshed") }
        #expect(refreshed.code == cryptography.code(of: refreshed, try handleKey))
        return refreshed
    }

    /// The members on the first page of the roster, with their blobs.
    func roster() throws -> [(entry: RosterEntry, blob: [UInt8])] {
        let request = RosterRequest(handle: handle)
        let body = [UInt8](capacity: RosterRequest.byteCount) { request.write(to: &$0) }
        guard let bytes = try ask(body, hears: AnswerMessage.maximumBody),
            case .roster(let roster) = try MatchAnswer(reading: bytes.raw, mask: mask)
        else { throw Failure("no roster") }
        var result: [(RosterEntry, [UInt8])] = []
        var reader = RosterEntryReader(roster, in: bytes.raw, mask: mask)
        while let entry = reader.next() {
            result.append((entry, Array(bytes[entry.blob.offset..<(entry.blob.offset + entry.blob.count)])))
        }
        return result
    }

    func introduce(_ other: MemberTag, nonce: UInt64) throws -> MatchAnswer {
        let introduce = IntroduceRequest(handle: handle, memberTag: other, nonce: nonce)
        let none: [UInt8] = []
        let body = [UInt8](capacity: IntroduceRequest.fixedByteCount) { introduce.write(blob: none.raw, to: &$0) }
        return try answer(body, hears: 700)
    }

    func leave() throws -> MatchAnswer {
        let body = [UInt8](capacity: 9) { MatchRequest.writeLeave(handle, to: &$0) }
        return try answer(body)
    }

    /// The next notice.
    func hearNotice() throws -> (number: UInt32, notice: MatchNotice, blob: [UInt8])? {
        guard let datagram = transport.hear() else { return nil }
        let (message, bytes) = try opened(datagram)
        guard case .notice(let notice) = message, notice.handle == handle else { throw Failure("no notice") }
        let associated = bytes.raw.extracting(..<NoticeMessage.associatedByteCount)
        let sealed = bytes.raw.extracting(NoticeMessage.associatedByteCount...)
        let key = Bytes32(cryptography.noticeKey(try handleKey))
        guard let body = NoticeSeal.open(sealed, data: associated, key: key) else { throw Failure("a broken notice") }
        let content = try MatchNotice(
            reading: body.raw, mask: cryptography.addressMask(sequence: UInt64(notice.number)))
        return (notice.number, content, Array(body[content.blob.offset..<(content.blob.offset + content.blob.count)]))
    }
}
