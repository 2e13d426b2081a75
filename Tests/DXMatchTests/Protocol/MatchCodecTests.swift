import DXMatch
import DXWire
import Testing

/// Every decoder of `docs/matchmaking.md` against its vectors and against bytes that nobody meant.
@Suite struct MatchCodecTests {
    @Test(arguments: MatchVector.all)
    func vectorsHoldBothWays(vector: MatchVector) throws {
        let value = try #require(vector.codec.read(vector.bytes))
        #expect(Hex.text(value) == Hex.text(vector.bytes))
    }

    @Test func everyCodecHasAVector() {
        #expect(Set(MatchVector.all.map(\.codec)) == Set(MatchCodec.allCases))
        let types = MatchVector.messages.map { $0.bytes[0] }
        #expect(types == MatchMessage.Kind.allCases.map(\.rawValue))
    }

    @Test(arguments: MatchVector.all)
    func whatIsTooShortIsRefused(vector: MatchVector) {
        for count in 0..<vector.needed { #expect(vector.codec.read(Array(vector.bytes[..<count])) == nil, "\(count)") }
        for count in vector.needed..<vector.bytes.count {
            #expect(vector.codec.read(Array(vector.bytes[..<count])) != nil, "\(count)")
        }
    }

    /// What follows the fields is of a later version. Only FLIGHT has no room behind it, and what is sealed has no end.
    @Test(arguments: MatchVector.all)
    func bytesBehindTheFieldsAreIgnored(vector: MatchVector) throws {
        let hasNoEnd = ["FLIGHT to", "REQUEST", "ANSWER", "NOTICE"].contains(vector.name)
        let longer = vector.codec.read(vector.bytes + [0xee, 0x01])
        #expect(longer == (hasNoEnd ? longer : vector.bytes))
    }

    /// Whatever is read, written and read again is the same; a trap would end the run.
    private func check(_ codec: MatchCodec, _ bytes: [UInt8]) -> Bool {
        guard let first = codec.read(bytes) else { return false }
        guard let second = codec.read(first), second == first else {
            Issue.record("\(codec): \(Hex.text(bytes)) changed to \(Hex.text(first))")
            return true
        }
        return true
    }

    @Test(arguments: MatchVector.all)
    func everyChangeOfOneByteIsAnswered(vector: MatchVector) {
        // The padding of the largest messages is not read.
        for index in 0..<min(vector.bytes.count, 240) {
            var changed = vector.bytes
            for value: UInt8 in [0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 17, 63, 64, 127, 128, 254, 255] {
                changed[index] = value
                _ = check(vector.codec, changed)
            }
        }
    }

    @Test(arguments: MatchCodec.allCases)
    func randomBytesAreAnswered(codec: MatchCodec) {
        var random = RandomSource(seed: 0x3a7c)
        let seeds = MatchVector.all.filter { $0.codec == codec }.map(\.bytes)
        var accepted = 0
        for round in 0..<4_000 {
            var bytes: [UInt8]
            if round % 4 == 0 {
                bytes = (0..<random.below(200)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            } else {
                bytes = seeds[Int(random.below(UInt64(seeds.count)))]
                for _ in 0..<random.below(4) {
                    bytes[Int(random.below(UInt64(bytes.count)))] = UInt8(truncatingIfNeeded: random.next())
                }
                if random.chance(0.2) { bytes.removeLast(Int(random.below(UInt64(bytes.count + 1)))) }
                if random.chance(0.2) { bytes += bytes }
            }
            if check(codec, bytes) { accepted += 1 }
        }
        #expect(accepted > 200 && accepted < 3_800, "\(accepted)")
    }

    private func message(_ bytes: [UInt8]) throws -> MatchMessage { try MatchMessage(reading: bytes.raw) }
    private func request(_ bytes: [UInt8]) throws -> MatchRequest { try MatchRequest(reading: bytes.raw) }
    private func answer(_ bytes: [UInt8]) throws -> MatchAnswer {
        try MatchAnswer(reading: bytes.raw, mask: MatchCodec.mask)
    }
    private func notice(_ bytes: [UInt8]) throws -> MatchNotice { try MatchNotice(reading: bytes.raw, mask: .none) }
    private func ticketWanted(_ bytes: [UInt8]) throws -> TicketWanted { try TicketWanted(reading: bytes.raw) }
    private func ticketGranted(_ bytes: [UInt8]) throws -> TicketGranted { try TicketGranted(reading: bytes.raw) }
    private func blob(_ bytes: [UInt8]) throws -> BlobContent { try BlobContent(reading: bytes.raw) }

    @Test func typesAndVersionsOfOthersAreToldApart() {
        #expect(throws: MatchDecodeError.unknownType) { try message([0x3f, 1]) }
        #expect(throws: MatchDecodeError.unknownType) { try message([0x4c, 9]) }
        #expect(throws: MatchDecodeError.unknownVersion) { try message([0x49, 2]) }
        #expect(throws: MatchDecodeError.malformed) { try message([0x49, 1]) }
        #expect(throws: MatchDecodeError.malformed) { try message([0x49]) }
        #expect(throws: MatchDecodeError.unknownType) { try request([7]) }
        #expect(throws: MatchDecodeError.unknownType) { try request([0]) }
        #expect(throws: MatchDecodeError.malformed) { try request([]) }
        #expect(throws: MatchDecodeError.unknownType) { try answer([7, 0]) }
        #expect(throws: MatchDecodeError.unknownType) { try notice([2]) }
        #expect(throws: MatchDecodeError.unknownType) { try ticketWanted([2, 1]) }
        #expect(throws: MatchDecodeError.unknownVersion) { try ticketGranted([1, 2]) }
    }

    @Test func limitsAreKept() {
        let register = MatchVector.bodies[1].bytes
        // The length of the blob lies behind kind, tag, key, revision, lifetime and flags.
        func withBlob(_ count: Int) -> [UInt8] {
            Array(register[..<61]) + [UInt8(count >> 8), UInt8(count & 255)] + [UInt8](repeating: 7, count: count)
                + register[67...]
        }
        #expect(MatchCodec.request.read(withBlob(600)) != nil)
        #expect(MatchCodec.request.read(withBlob(601)) == nil)
        var blob = MatchVector.others[4].bytes
        blob[44] = 17
        #expect(MatchCodec.blob.read(blob + [UInt8](repeating: 4, count: 400)) == nil)
        #expect(MatchCodec.message.read(MatchVector.messages[4].bytes + [UInt8](repeating: 0, count: 1_023)) != nil)
        #expect(MatchCodec.message.read(MatchVector.messages[4].bytes + [UInt8](repeating: 0, count: 1_024)) == nil)
    }

    /// What an answer may be at most, by the request (`docs/matchmaking.md` §2).
    @Test func noAnswerNeedsToBeLongerThanItsRequest() {
        #expect(CookieMessage.byteCount == MatchConstants.minimumCookieWanted)
        #expect(RefreshedMessage.byteCount <= RefreshMessage.byteCount)
        #expect(Checked.maximumByteCount <= MatchConstants.checkByteCount)
        #expect(TicketGranted.byteCount < ServerFlight.maximumDatagram)
        #expect(MatchAnswer.headByteCount + 2 <= AnswerMessage.maximumBody(requestBody: AdmitRequest.byteCount))
        for body in 0...RequestMessage.maximumBody {
            let answer = AnswerMessage.maximumBody(requestBody: body)
            #expect(AnswerMessage.headByteCount + answer <= RequestMessage.headByteCount + body)
            #expect(AnswerMessage.requestBody(toHear: answer) <= body)
        }
    }

    @Test func valuesAreWhatTheVectorsSay() throws {
        let registered = try answer(MatchVector.bodies[8].bytes)
        let v6 = Endpoint(v6High: 0x2001_0db8_0000_0000, low: 1, port: 7700)
        #expect(
            registered
                == .registered(
                    RegisteredAnswer(
                        observed: v6, handle: Handle(rawValue: 0x1112_1314_1516_1718), lifetime: 3600, memberCount: 2,
                        rosterDigest: 0x8182_8384_8586_8788)))
        let observed = try answer(MatchVector.bodies[5].bytes)
        #expect(observed == .observed(Endpoint(v4: 0xc000_0201, port: 7700)))
        guard case .request(let value) = try message(MatchVector.messages[4].bytes) else {
            Issue.record("not a request")
            return
        }
        #expect(value.ticket.keyNumber == 7 && value.sequence == 0x102)
        #expect(value.sealed == PacketSlice(offset: 146, count: 3))
        let content = try blob(MatchVector.others[4].bytes)
        #expect(content.candidates.map(\.kind) == [.host, .forwarded])
        #expect(content.candidates[1].endpoint == v6)
        #expect(
            content.behaviourV4.mapping == .endpointIndependent
                && content.behaviourV4.filtering == .addressAndPortDependent)
        #expect(content.behaviourV4.ports == .random && content.behaviourV6 == NATBehaviour(bits: 0))
        #expect(content.signedByteCount == MatchVector.others[4].bytes.count - MatchSignature.byteCount)
    }

    @Test func signedTextsBeginWithTheirLabels() throws {
        let body = MatchVector.bodies[1].bytes
        guard case .register(let register) = try request(body) else {
            Issue.record("not a REGISTER")
            return
        }
        let pin = try #require(GatewayID([UInt8](repeating: 0x55, count: 32)))
        let text = Written.bytes {
            register.writeSigned(pin: pin, blobHash: Block32(1, 2, 3, 4), to: &$0)
        }
        #expect(text.count == RegisterRequest.signedByteCount)
        #expect(
            Hex.text(text)
                == Hex.text(Array("dx match register 1".utf8)) + String(repeating: "55", count: 32)
                + MatchVector.attempt + "0000000000000005" + "0e10" + "00"
                + "0000000000000001000000000000000200000000000000030000000000000004")
        let content = try blob(MatchVector.others[4].bytes)
        let signed = Written.bytes { content.writeSigned(memberTag: MemberTag(high: 1, low: 2), to: &$0) }
        #expect(
            Hex.text(signed)
                == Hex.text(Array("dx match blob 1".utf8)) + "00000000000000010000000000000002"
                + Hex.text(Array(MatchVector.others[4].bytes[..<content.signedByteCount])))
    }

    @Test func layoutsStaySmall() {
        #expect(MemoryLayout<Ticket>.size == 120)
        #expect(MemoryLayout<MatchMessage>.size <= 192)
        #expect(MemoryLayout<MatchRequest>.size <= 192)
        #expect(MemoryLayout<Candidate>.size <= 32)
    }

    @Test func aSecretIsNotPrinted() {
        #expect("\(HandleKey(high: 1, low: 2))" == "(secret)")
        #expect("\(MemberTag(high: 1, low: 0xab))" == "000000000000000100000000000000ab")
    }
}
