import DXWire
import Testing

@testable import DXMatch

/// A matchmaker's machine with a clock, and members that talk to it. Each answer is held to the rules that hold for all: it fits
/// its request, and it can be read.
final class MatchLab {
    static let pin = GatewayID([UInt8](repeating: 0x77, count: 32))!
    static let matchKey = MatchKeyHash(high: 0xaa, low: 1)
    static let groupTag = GroupTag(high: 0xbb, low: 1)

    var server: MatchServer<FakeCryptography>
    var now = Instant.zero + .seconds(1_000)
    let cryptography = FakeCryptography()

    init(limits: MatchServerLimits = MatchLab.generous, isMirrored: Bool = false, seed: UInt64 = 7) {
        let configuration = MatchServerConfiguration(
            pin: Self.pin, secret: Block32(1, 2, 3, 4), seed: seed, limits: limits, isMirrored: isMirrored)
        server = MatchServer(configuration, cryptography: FakeCryptography())
    }

    /// When the machine wants to be called.
    var nextTimeout: Instant? { server.nextTimeout }

    /// Limits of which rates are out of the way, for tests of other things.
    static var generous: MatchServerLimits {
        var limits = MatchServerLimits()
        limits.requestsPerPrefix = 100_000
        limits.signaturesPerPrefix = 100_000
        limits.requestsPerGroup = 200_000
        limits.prefixes = 1_024
        limits.pairs = 4_096
        return limits
    }

    /// What came of a request.
    enum Reply: Equatable {
        case answer(MatchAnswer, [UInt8])
        case dropped(MatchServerDrop)

        /// The status of the answer.
        var status: MatchStatus? {
            guard case .answer(_, let bytes) = self else { return nil }
            return MatchStatus(rawValue: bytes[1])
        }
    }

    /// Sends a request's body, padded to `paddedTo`.
    @discardableResult
    func send(
        _ member: TestMember, paddedTo: Int = 0, sequence: UInt64? = nil, from: Endpoint? = nil,
        _ write: (inout OutputRawSpan) -> Void
    ) -> Reply {
        var body = Written.bytes { write(&$0) }
        while body.count < paddedTo { body.append(0) }
        return send(body, member, sequence: sequence, from: from)
    }

    /// Sends these bytes as a request's body.
    func send(_ body: [UInt8], _ member: TestMember, sequence: UInt64? = nil, from: Endpoint? = nil) -> Reply {
        let number = sequence ?? member.nextSequence()
        let facts = RequestFacts(
            matchKey: member.matchKey, answerKey: member.answerKey, sequence: number, source: from ?? member.address,
            socket: member.socket, isGuest: member.isGuest)
        let room = AnswerMessage.maximumBody(requestBody: body.count)
        #expect(AnswerMessage.headByteCount + room <= RequestMessage.headByteCount + body.count)
        var drop: MatchServerDrop?
        // The room is exactly what the rule leaves: one byte more would trap.
        let answer = Written.bytes(capacity: room) { output in
            do throws(MatchServerDrop) {
                _ = try server.receive(body.raw, facts, into: &output, now: now)
            } catch { drop = error }
        }
        if let drop {
            #expect(answer.isEmpty)
            return .dropped(drop)
        }
        let mask = cryptography.addressMask(sequence: number)
        guard let value = try? MatchAnswer(reading: answer.raw, mask: mask) else {
            // The answer to a kind that there is not has no form but its status.
            #expect(answer.count == 2 && answer[1] == MatchStatus.malformed.rawValue)
            return .answer(.status(.observe, .malformed), answer)
        }
        return .answer(value, answer)
    }

    // MARK: Whole exchanges

    /// One REGISTER.
    func sendRegister(
        _ member: TestMember, proof: AddressProof, signedBy signer: PublicPoint? = nil, sequence: UInt64? = nil,
        from: Endpoint? = nil
    ) -> Reply {
        var register = RegisterRequest(
            groupTag: member.groupTag, memberKey: member.key, revision: member.revision, lifetime: member.lifetime,
            proof: proof)
        let blobHash = cryptography.sha256(member.blob.raw)
        let text = Written.bytes { register.writeSigned(pin: Self.pin, blobHash: blobHash, to: &$0) }
        register.signature = cryptography.sign(text.raw, by: signer ?? member.key)
        let blob = member.blob
        return send(member, sequence: sequence, from: from) { register.write(blob: blob.raw, to: &$0) }
    }

    /// The proof that the matchmaker gives for an address.
    func proof(_ member: TestMember, from: Endpoint? = nil) throws -> AddressProof {
        guard case .answer(.proveAddress(let proof, let observed), _) = sendRegister(member, proof: .zero, from: from)
        else { throw LabError() }
        #expect(observed == from ?? member.address)
        return proof
    }

    /// Both REGISTERs; the member has its handle then.
    @discardableResult
    func register(_ member: TestMember) throws -> RegisteredAnswer {
        let reply = sendRegister(member, proof: try proof(member))
        guard case .answer(.registered(let answer), _) = reply else { throw LabError(reply) }
        member.handle = answer.handle
        member.count = member.lastHandle == answer.handle ? member.count : 0
        member.lastHandle = answer.handle
        #expect(answer.observed == member.address)
        return answer
    }

    /// A REFRESH with a right code.
    func refresh(
        _ member: TestMember, notice: UInt32 = 0, flags: UInt8 = 0, count: UInt32? = nil, from: Endpoint? = nil
    ) throws(MatchServerDrop) -> RefreshedMessage? {
        if count == nil { member.count += 1 }
        var refresh = RefreshMessage(handle: member.handle, count: count ?? member.count, notice: notice, flags: flags)
        let key = cryptography.handleKey(member.handle, answerKey: member.answerKey)
        refresh.code = cryptography.code(of: refresh, key)
        let answer = try server.receiveRefresh(
            refresh, from: from ?? member.address, socket: member.socket, now: now)
        if let answer {
            #expect(answer.code == cryptography.code(of: answer, key))
            #expect(answer.count == refresh.count && answer.handle == member.handle)
        }
        return answer
    }

    /// Asks to be introduced, ready to hear the largest answer.
    func introduce(
        _ member: TestMember, to other: MemberTag, nonce: UInt64, blob: [UInt8] = [], paddedTo: Int = 700
    ) -> Reply {
        let request = IntroduceRequest(handle: member.handle, memberTag: other, nonce: nonce)
        return send(member, paddedTo: paddedTo) { request.write(blob: blob.raw, to: &$0) }
    }

    /// One page of the roster: the entries with their blobs, and the next cursor.
    func roster(
        _ member: TestMember, cursor: MemberTag = .zero, paddedTo: Int = RequestMessage.maximumBody
    ) throws -> (entries: [RosterEntry], blobs: [[UInt8]], next: MemberTag) {
        let request = RosterRequest(handle: member.handle, cursor: cursor)
        let number = member.nextSequence()
        let reply = send(member, paddedTo: paddedTo, sequence: number) { request.write(to: &$0) }
        guard case .answer(.roster(let answer), let bytes) = reply else { throw LabError(reply) }
        var entries: [RosterEntry] = []
        var reader = RosterEntryReader(answer, in: bytes.raw, mask: cryptography.addressMask(sequence: number))
        while let entry = reader.next() { entries.append(entry) }
        return (entries, entries.map { bytes[$0.blob] }, answer.next)
    }

    /// The notices that are due now.
    func notices() -> [(transmit: NoticeTransmit, notice: MatchNotice, blob: [UInt8])] {
        var found: [(NoticeTransmit, MatchNotice, [UInt8])] = []
        while true {
            var transmit: NoticeTransmit?
            let body = Written.bytes(capacity: MatchNotice.maximumByteCount) {
                transmit = server.pollNotice(into: &$0, now: now)
            }
            guard let transmit else { return found }
            let mask = cryptography.addressMask(sequence: UInt64(transmit.number))
            guard let notice = try? MatchNotice(reading: body.raw, mask: mask) else {
                Issue.record("a notice that cannot be read")
                return found
            }
            found.append((transmit, notice, body[notice.blob]))
        }
    }

    /// The events that wait.
    func events() -> [RegistryEvent] {
        var found: [RegistryEvent] = []
        while let event = server.pollEvent() { found.append(event) }
        return found
    }

    /// Tells of a registration of another instance; whether it was taken.
    func mirror(_ registration: MirroredRegistration) -> Bool { server.mirror(registration, now: now) }

    /// Lets time pass, and the machine do what is due on the way.
    func pass(_ span: Interval) {
        let end = now + span
        while let next = server.nextTimeout, next <= end {
            now = max(now, next)
            server.timeoutFired(now: now)
            _ = notices()
        }
        now = end
        server.timeoutFired(now: now)
    }
}

/// A step of a test that did not go as it must.
struct LabError: Error {
    let reply: MatchLab.Reply?
    init(_ reply: MatchLab.Reply? = nil) { self.reply = reply }
}

/// A member of a group: its key, its ticket, where it is.
final class TestMember {
    let key: PublicPoint
    let tag: MemberTag
    var matchKey = MatchLab.matchKey
    var groupTag = MatchLab.groupTag
    var answerKey: Block32
    var address: Endpoint
    var socket: UInt8 = 0
    /// Whether its match key is served only because it was admitted.
    var isGuest = false
    var revision: UInt64 = 1
    var lifetime: UInt16 = 600
    var blob: [UInt8]
    var handle = Handle(rawValue: 0)
    var lastHandle: Handle?
    var count: UInt32 = 0
    private var sequence: UInt64 = 0

    init(_ number: Int) {
        key = PublicPoint(parity: 2, x: Block32(UInt64(number), 1, 2, 3))!
        tag = FakeCryptography().memberTag(of: key)
        answerKey = Block32(UInt64(number), 9, 9, 9)
        // Everybody in a prefix of its own: 10.x.y.1.
        address = Endpoint(v4: 0x0a00_0001 | UInt32(truncatingIfNeeded: number & 0xffff) << 8, port: 7700)
        blob = (0..<(64 + number % 200)).map { UInt8(truncatingIfNeeded: number + $0) }
    }

    func nextSequence() -> UInt64 {
        sequence += 1
        return sequence
    }

    /// A new ticket: new keys, and a sequence from the beginning.
    func takeTicket() {
        answerKey = Block32(answerKey.bytes.reduce(1) { $0 &* 31 &+ UInt64($1) }, 8, 8, 8)
        sequence = 0
    }
}
