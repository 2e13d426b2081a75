import DXMatch
import DXWire

/// What can be read of `docs/matchmaking.md`: each is a decoder and the encoder that belongs to it.
enum MatchCodec: String, CaseIterable, Sendable {
    case message, request, answer, notice, ticketWanted, ticketGranted, blob, check, checked

    /// The mask in all vectors: 18 bytes that differ.
    static let mask = AddressMask(
        headOf: Block32(0xa1a2_a3a4_a5a6_a7a8, 0xb1b2_b3b4_b5b6_b7b8, 0xc1c2_0000_0000_0000, 0))

    /// What the decoder makes of `bytes`, written again; nil when it refuses them.
    func read(_ bytes: [UInt8]) -> [UInt8]? {
        switch self {
        case .message: readMessage(bytes)
        case .request: readRequest(bytes)
        case .answer: readAnswer(bytes)
        case .notice:
            (try? MatchNotice(reading: bytes.raw, mask: Self.mask)).map { notice in
                let blob = bytes[notice.blob]
                return Written.bytes { notice.write(blob: blob.raw, mask: Self.mask, to: &$0) }
            }
        case .ticketWanted:
            (try? TicketWanted(reading: bytes.raw)).map { value in Written.bytes { value.write(to: &$0) } }
        case .ticketGranted:
            (try? TicketGranted(reading: bytes.raw)).map { value in Written.bytes { value.write(to: &$0) } }
        case .blob:
            (try? BlobContent(reading: bytes.raw)).map { value in Written.bytes { value.write(to: &$0) } }
        case .check:
            (try? Check(reading: bytes.raw)).map { value in Written.bytes { value.write(to: &$0) } }
        case .checked:
            (try? Checked(reading: bytes.raw)).map { value in Written.bytes { value.write(to: &$0) } }
        }
    }

    private func readMessage(_ bytes: [UInt8]) -> [UInt8]? {
        guard let message = try? MatchMessage(reading: bytes.raw) else { return nil }
        let written = Written.bytes { output in
            switch message {
            case .cookieWanted(let attempt): MatchMessage.writeCookieWanted(attempt, to: &output)
            case .cookie(let cookie): cookie.write(to: &output)
            case .clientFlight(let flight):
                let datagram = bytes[flight.datagram]
                ClientFlight.write(
                    attempt: flight.attempt, cookie: flight.cookie, datagram: datagram.raw, to: &output)
            case .serverFlight(let flight):
                let datagram = bytes[flight.datagram]
                ServerFlight.write(attempt: flight.attempt, datagram: datagram.raw, to: &output)
            case .request(let request):
                RequestMessage.writeAssociated(ticket: request.ticket, sequence: request.sequence, to: &output)
                request.syntheticIV.write(to: &output)
                let sealed = bytes[request.sealed]
                output.write(sealed.raw)
            case .answer(let answer):
                AnswerMessage.writeAssociated(sequence: answer.sequence, to: &output)
                answer.syntheticIV.write(to: &output)
                let sealed = bytes[answer.sealed]
                output.write(sealed.raw)
            case .refresh(let refresh): refresh.write(to: &output)
            case .refreshed(let refreshed): refreshed.write(to: &output)
            case .notice(let notice):
                NoticeMessage.writeAssociated(handle: notice.handle, number: notice.number, to: &output)
                notice.syntheticIV.write(to: &output)
                let sealed = bytes[notice.sealed]
                output.write(sealed.raw)
            case .ticketRefused(let sequence): MatchMessage.writeTicketRefused(sequence: sequence, to: &output)
            case .stunRequest(let request):
                let stun = bytes[request.message]
                VeiledSTUN.write(request: stun.raw, to: &output)
            case .stunAnswer(let answer):
                let stun = bytes[answer.message]
                VeiledSTUN.write(answer: stun.raw, to: &output)
            }
        }
        return written
    }

    private func readRequest(_ bytes: [UInt8]) -> [UInt8]? {
        guard let request = try? MatchRequest(reading: bytes.raw) else { return nil }
        let written = Written.bytes { output in
            switch request {
            case .observe: MatchRequest.writeObserve(to: &output)
            case .register(let register):
                let blob = bytes[register.blob]
                register.write(blob: blob.raw, to: &output)
            case .leave(let handle): MatchRequest.writeLeave(handle, to: &output)
            case .roster(let roster): roster.write(to: &output)
            case .introduce(let introduce):
                let blob = bytes[introduce.blob]
                introduce.write(blob: blob.raw, to: &output)
            case .admit(let admit): admit.write(to: &output)
            }
        }
        return written
    }

    private func readAnswer(_ bytes: [UInt8]) -> [UInt8]? {
        guard let answer = try? MatchAnswer(reading: bytes.raw, mask: Self.mask) else { return nil }
        let written = Written.bytes(capacity: 66_000) { output in
            switch answer {
            case .status(let kind, let status): MatchAnswer.writeHead(kind.rawValue, status, to: &output)
            case .observed(let endpoint):
                MatchAnswer.writeHead(MatchRequest.Kind.observe.rawValue, .done, to: &output)
                endpoint.write(to: &output, mask: Self.mask)
            case .proveAddress(let proof, let observed):
                MatchAnswer.writeHead(MatchRequest.Kind.register.rawValue, .proveAddress, to: &output)
                proof.write(to: &output)
                observed.write(to: &output, mask: Self.mask)
            case .registered(let registered): registered.write(mask: Self.mask, to: &output)
            case .roster(let roster):
                MatchAnswer.writeHead(MatchRequest.Kind.roster.rawValue, .done, to: &output)
                output.write(roster.count)
                var entries = RosterEntryReader(roster, in: bytes.raw, mask: Self.mask)
                while let entry = entries.next() {
                    entry.writeFixed(blobByteCount: entry.blob.count, mask: Self.mask, to: &output)
                    let blob = bytes[entry.blob]
                    output.write(blob.raw)
                }
                roster.next.write(to: &output)
            case .introduced(let introduced):
                let blob = bytes[introduced.blob]
                introduced.write(blob: blob.raw, mask: Self.mask, to: &output)
            case .admitted(let lifetime):
                MatchAnswer.writeHead(MatchRequest.Kind.admit.rawValue, .done, to: &output)
                output.write(lifetime)
            }
        }
        return written
    }
}

extension [UInt8] {
    /// The bytes that a decoder named.
    subscript(slice: PacketSlice) -> [UInt8] { Array(self[slice.offset..<(slice.offset + slice.count)]) }
}

/// Bytes, by hand from `docs/matchmaking.md`, and which decoder is to take them.
struct MatchVector: CustomStringConvertible {
    let name: String
    let codec: MatchCodec
    let bytes: [UInt8]
    /// The bytes behind which nothing needs to stand: what is missing at the end of the others is noticed.
    let needed: Int

    init(_ name: String, _ codec: MatchCodec, _ text: String, padding: Int = 0, needed: Int? = nil) {
        self.name = name
        self.codec = codec
        let head = Hex.bytes(text)
        bytes = head + [UInt8](repeating: 0, count: padding)
        self.needed = needed ?? head.count
    }

    var description: String { name }

    static let attempt = "000102030405060708090a0b0c0d0e0f"
    static let stun = "0001 0000 2112a442 a0a1a2a3a4a5a6a7a8a9aaab"
    static let siv = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
    static let hash = "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
    static let signature = "b0" + String(repeating: "11", count: 31) + "b1" + String(repeating: "22", count: 31)
    static let ticket = "00000007" + String(repeating: "ab", count: 116)
    static let point = "03" + hash
    static let member = "404142434445464748494a4b4c4d4e4f"
    static let handle = "1112131415161718"
    // 192.0.2.1:7700 and [2001:db8::1]:7700 under the mask of `MatchCodec`.
    static let masked4 = "04 61a2a1a5 bbb2"
    static let masked6 = "06 81a3ae1ca5a6a7a8b1b2b3b4b5b6b7b9 dfd6"
    static let plain4 = "04 c0000201 1e14"
    static let plain6 = "06 20010db8000000000000000000000001 1e14"

    static let all: [MatchVector] = messages + bodies + others

    static let messages: [MatchVector] = [
        MatchVector("COOKIE_WANTED", .message, "40 01 \(attempt)", padding: 32, needed: 50),
        MatchVector("COOKIE", .message, "41 01 \(attempt) \(hash)"),
        MatchVector("FLIGHT to", .message, "42 01 \(attempt) \(hash) 0003 16fefd", padding: 1_117, needed: 1_172),
        MatchVector("FLIGHT from", .message, "43 01 \(attempt) 0003 16fefd"),
        MatchVector("REQUEST", .message, "44 01 \(ticket) 0000000000000102 \(siv) c0c1c2", needed: 146),
        MatchVector("ANSWER", .message, "45 01 0000000000000102 \(siv) c0c1c2", needed: 26),
        MatchVector("REFRESH", .message, "46 01 \(handle) 00000009 00000003 01 e0e1e2e3e4e5e6e7"),
        MatchVector("REFRESHED", .message, "47 01 \(handle) 00000009 06 e0e1e2e3e4e5e6e7"),
        MatchVector("NOTICE", .message, "48 01 \(handle) 00000003 \(siv) c0c1c2", needed: 30),
        MatchVector("TICKET_REFUSED", .message, "49 01 0000000000000102"),
        MatchVector("STUN to", .message, "4a 01 0014 \(stun)", padding: 80, needed: 104),
        MatchVector("STUN from", .message, "4b 01 0014 \(stun)"),
    ]

    static let bodies: [MatchVector] = [
        MatchVector("OBSERVE", .request, "01"),
        MatchVector(
            "REGISTER", .request,
            "02 \(attempt) \(point) 0000000000000005 0e10 00 0004 deadbeef \(signature) \(siv)"),
        MatchVector("LEAVE", .request, "03 \(handle)"),
        MatchVector("ROSTER", .request, "04 \(handle) \(member)"),
        MatchVector("INTRODUCE", .request, "05 \(handle) \(member) 0102030405060708 0002 beef"),
        MatchVector("observed IPv4", .answer, "01 00 \(masked4)"),
        MatchVector("observed IPv6", .answer, "01 00 \(masked6)"),
        MatchVector("prove the address", .answer, "02 01 \(siv) \(masked4)"),
        MatchVector("registered", .answer, "02 00 \(masked6) \(handle) 0e10 0002 8182838485868788"),
        MatchVector("stale", .answer, "02 07"),
        MatchVector("left", .answer, "03 00"),
        MatchVector("an empty roster", .answer, "04 00 00 \(MatchVector.member)"),
        MatchVector(
            "a roster", .answer,
            "04 00 02 \(attempt) \(masked4) 0000000000000001 0001 aa \(member) \(masked6) 0000000000000002 0000 \(member)"
        ),
        MatchVector("introduced", .answer, "05 00 \(masked4) 0000000000000001 0003 aabbcc"),
        MatchVector("unknown member", .answer, "05 03"),
        MatchVector("admitted", .answer, "06 00 0e10"),
        MatchVector("not admitted", .answer, "06 05"),
        MatchVector("a status of later versions", .answer, "05 f0"),
        MatchVector("ADMIT", .request, "06 \(handle) \(point) 0e10"),
        MatchVector("a notice", .notice, "01 \(member) \(masked6) 0102030405060708 0000000000000005 0002 beef"),
    ]

    static let others: [MatchVector] = [
        MatchVector("TICKET_WANTED", .ticketWanted, "01 01 \(point) \(signature)"),
        MatchVector("TICKET_WANTED without a key", .ticketWanted, "01 01", padding: 97, needed: 99),
        MatchVector("TICKET", .ticketGranted, "01 01 00 00015180 \(ticket) 0d97 00000000"),
        MatchVector("no TICKET", .ticketGranted, "01 01 02 00000000", padding: 126, needed: 133),
        MatchVector(
            "a blob", .blob,
            "\(hash) 0000000000000005 063a 0000 02 00 7effffff \(plain4) 04 00000001 \(plain6) \(signature)"),
        MatchVector("a blob without candidates", .blob, "\(hash) 0000000000000005 0000 0022 00 \(signature)"),
        MatchVector(
            "CHECK", .check, "04 01 \(hash) 0102030405060708090a0b0c 6e0001ff 01 \(siv)", padding: 53, needed: 120),
        MatchVector("CHECKED IPv4", .checked, "05 01 0102030405060708090a0b0c \(plain4) \(siv)"),
        MatchVector("CHECKED IPv6", .checked, "05 01 0102030405060708090a0b0c \(plain6) \(siv)"),
    ]
}
