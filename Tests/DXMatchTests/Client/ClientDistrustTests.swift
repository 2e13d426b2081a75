import DXWire
import Testing

@testable import DXMatch

/// Matchmakers that lie, repeat and withhold, and strangers that get in between.
@Suite struct ClientDistrustTests {
    /// Ten minutes with a matchmaker that answers requests so cost a bounded number of datagrams.
    private func tenMinutes(
        atMost limit: Int, _ change: (FakeMatchmaker) -> Void
    ) throws -> LabGateway {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        change(matchmaker)
        let gateway = lab.addGateway()
        try lab.tell(gateway) { client throws(MatchClientError) in
            try client.register(gateway.registration(), now: lab.now)
        }
        lab.pass(.seconds(600))
        #expect(gateway.sentCount < limit)
        return gateway
    }

    @Test func proofsWithoutEnd() throws {
        let gateway = try tenMinutes(atMost: 80) { matchmaker in
            matchmaker.lie = { request, mask in
                guard request.kind == .register else { return nil }
                return Written.bytes {
                    MatchAnswer.writeHead(MatchRequest.Kind.register.rawValue, .proveAddress, to: &$0)
                    AddressProof(high: 1, low: 1).write(to: &$0)
                    Endpoint(v4: 1, port: 1).write(to: &$0, mask: mask)
                }
            }
        }
        #expect(gateway.client.state == .failing(.registrationRefused(.proveAddress)))
    }

    @Test(arguments: [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 200] as [UInt8])
    func everyStatusOfARegistration(number: UInt8) throws {
        let status = MatchStatus(rawValue: number)
        let gateway = try tenMinutes(atMost: 60) { matchmaker in
            matchmaker.lie = { request, _ in
                request.kind == .register ? [MatchRequest.Kind.register.rawValue, number] : nil
            }
        }
        #expect(gateway.client.state == .failing(.registrationRefused(status)))
        #expect(gateway.events.filter { $0 == .registrationRefused(status) }.count == 1)
        #expect(!"\(MatchClientProblem.registrationRefused(status))".isEmpty)
    }

    @Test func answersThatCannotBeRead() throws {
        let gateway = try tenMinutes(atMost: 60) { $0.lie = { request, _ in [request.kind.rawValue, 0, 9] } }
        #expect(gateway.client.state == .failing(.noAnswer))
        #expect(gateway.client.status.statistics.malformed > 4)
    }

    @Test func answersToOtherRequests() throws {
        let gateway = try tenMinutes(atMost: 60) { $0.lie = { _, _ in [MatchRequest.Kind.leave.rawValue, 0] } }
        #expect(gateway.client.state == .failing(.noAnswer))
    }

    @Test func ticketsThatAreNeverKnown() throws {
        let gateway = try tenMinutes(atMost: 120) { $0.refusesTickets = true }
        #expect(gateway.client.status.statistics.tickets < 15)
        guard case .failing = gateway.client.state else {
            Issue.record("it works?")
            return
        }
    }

    @Test func aShortLifetimeIsNoHurry() throws {
        let gateway = try tenMinutes(atMost: 400) { matchmaker in
            matchmaker.lifetime = 0
            matchmaker.lie = { request, mask in
                guard request.kind == .register else { return nil }
                let answer = RegisteredAnswer(
                    observed: Endpoint(v4: 9, port: 9), handle: Handle(rawValue: 1), lifetime: 0, memberCount: 0,
                    rosterDigest: 0)
                return Written.bytes { answer.write(mask: mask, to: &$0) }
            }
        }
        #expect(gateway.client.status.statistics.registrations < 100)
    }

    @Test func anAddressThatIsNone() throws {
        let gateway = try tenMinutes(atMost: 200) { matchmaker in
            matchmaker.lie = { request, mask in
                guard request.kind == .register else { return nil }
                let answer = RegisteredAnswer(
                    observed: Endpoint(v4: 0, port: 0), handle: Handle(rawValue: 1), lifetime: 600, memberCount: 0,
                    rosterDigest: 0)
                return Written.bytes { answer.write(mask: mask, to: &$0) }
            }
        }
        #expect(gateway.client.status.observedV4 == nil)
    }

    /// A roster whose cursors go round, or whose pages are empty, is not read for ever.
    @Test(arguments: [0, 1])
    func rostersWithoutEnd(kind: Int) throws {
        var pages: UInt64 = 0
        let gateway = try tenMinutes(atMost: 250) { matchmaker in
            matchmaker.lie = { request, mask in
                guard request.kind == .roster else { return nil }
                pages += 1
                return Written.bytes {
                    MatchAnswer.writeHead(MatchRequest.Kind.roster.rawValue, .done, to: &$0)
                    $0.write(UInt8(kind))
                    if kind == 1 {
                        let entry = RosterEntry(
                            memberTag: MemberTag(high: 1, low: 1), address: Endpoint(v4: 1, port: 1), revision: 1)
                        entry.writeFixed(blobByteCount: 0, mask: mask, to: &$0)
                    }
                    MemberTag(high: kind == 1 ? 3 - pages % 2 : pages, low: 0).write(to: &$0)
                }
            }
        }
        #expect(gateway.client.state == .registered && gateway.roster == nil)
    }

    @Test func aRosterOfTooManyEnds() throws {
        var pages: UInt64 = 0
        let gateway = try tenMinutes(atMost: 20_000) { matchmaker in
            matchmaker.lie = { request, mask in
                guard request.kind == .roster else { return nil }
                pages += 1
                return Written.bytes {
                    MatchAnswer.writeHead(MatchRequest.Kind.roster.rawValue, .done, to: &$0)
                    $0.write(1 as UInt8)
                    let entry = RosterEntry(
                        memberTag: MemberTag(high: 1, low: 1), address: Endpoint(v4: 1, port: 1), revision: 1)
                    entry.writeFixed(blobByteCount: 0, mask: mask, to: &$0)
                    MemberTag(high: pages, low: 0).write(to: &$0)
                }
            }
        }
        #expect(gateway.roster == nil && pages <= 10_001)
    }

    /// A matchmaker that registers us and then knows nothing of it is registered with once more, and no more.
    @Test func registrationsThatAreForgottenAtOnce() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let gateway = lab.addGateway { $0.readsRoster = false }
        try lab.register(gateway)
        let before = matchmaker.requests[.register, default: 0]
        matchmaker.lie = { request, _ in
            request.kind == .introduce
                ? [MatchRequest.Kind.introduce.rawValue, MatchStatus.notRegistered.rawValue] : nil
        }
        let tag = MemberTag(high: 1, low: 1)
        try lab.tell(gateway) { client throws(MatchClientError) in
            try client.introduce(to: tag, nonce: 1, now: lab.now)
        }
        lab.pass(.seconds(10))
        #expect(matchmaker.requests[.register, default: 0] == before + 1)
        #expect(matchmaker.requests[.introduce] == 2)
        #expect(gateway.events.contains(.introductionFailed(tag, nonce: 1, .refused(.notRegistered))))
    }

    @Test func whatCameBeforeChangesNothing() throws {
        let lab = ClientLab()
        _ = lab.addMatchmaker()
        lab.isRecording = true
        let (one, other) = (lab.addGateway(), lab.addGateway())
        try lab.register(one)
        try lab.register(other)
        try lab.tell(one) { client throws(MatchClientError) in
            try client.introduce(to: other.tag, nonce: 5, now: lab.now)
        }
        lab.pass(.seconds(100))
        let recorded = lab.delivered
        let events = (one.events.count, other.events.count)
        for _ in 0..<3 {
            for datagram in recorded { lab.deliver(datagram.datagram, from: datagram.from, to: datagram.to) }
        }
        #expect(one.events.count == events.0 && other.events.count == events.1)
        #expect(one.client.state == .registered && other.client.state == .registered)
        lab.pass(.seconds(100))
        #expect(one.events.count == events.0 && other.events.count == events.1)
    }

    @Test func noticesWithoutEndAreAFew() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let gateway = lab.addGateway()
        try lab.register(gateway)
        lab.pass(.seconds(1))
        let held = try #require(gateway.client.listing)
        let key = FakeCryptography().noticeKey(held.key)
        let sent = gateway.sentCount
        for number in 1...5_000 as ClosedRange<UInt32> {
            let notice = MatchNotice(
                memberTag: MemberTag(high: 1, low: 1), address: Endpoint(v4: 1, port: 1), nonce: UInt64(number),
                revision: 1)
            let mask = FakeCryptography().addressMask(sequence: UInt64(number))
            let body = Written.bytes { notice.write(blob: [UInt8]().raw, mask: mask, to: &$0) }
            let head = Written.bytes {
                NoticeMessage.writeAssociated(handle: held.handle, number: number, to: &$0)
            }
            let message = head + FakeClientCryptography.sivSealed(body, data: head, key: key)
            lab.deliver(matchmaker.sealed(message), from: ClientLab.address, to: gateway.outside)
        }
        // The burst of one second's worth and what came meanwhile: none of virtual time passed.
        #expect(gateway.noticeNonces.count == 40 && gateway.sentCount - sent == 40)
        #expect(gateway.client.status.statistics.droppedNotices == 4_960)
    }

    @Test func refusalsByAStrangerAreNotBelieved() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let gateway = lab.addGateway()
        try lab.register(gateway)
        lab.pass(.seconds(1))
        // Who knows the pin and not the numbers.
        for sequence in 0..<1_000 as Range<UInt64> {
            let message = Written.bytes { MatchMessage.writeTicketRefused(sequence: sequence, to: &$0) }
            lab.deliver(matchmaker.sealed(message), from: ClientLab.address, to: gateway.outside)
        }
        #expect(gateway.client.status.statistics.unmatched == 1_000)
        #expect(gateway.client.state == .registered && gateway.client.status.ticketExpiresAt != nil)
    }

    /// Datagrams that were changed on the way, cut, made up, or come from elsewhere.
    @Test func noise() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        lab.isRecording = true
        let (one, other) = (lab.addGateway(), lab.addGateway())
        try lab.register(one)
        try lab.register(other)
        try lab.tell(other) { client throws(MatchClientError) in
            try client.introduce(to: one.tag, nonce: 5, now: lab.now)
        }
        lab.pass(.seconds(30))
        let recorded = lab.delivered.filter { $0.to == one.outside }.map(\.datagram)
        let events = one.events.count
        var random = RandomSource(seed: 5)
        for _ in 0..<3_000 {
            var bytes = recorded[Int(random.below(UInt64(recorded.count)))]
            switch random.below(4) {
            case 0: bytes[Int(random.below(UInt64(bytes.count)))] ^= UInt8(1 + random.below(255))
            case 1: bytes.removeLast(Int(random.below(UInt64(bytes.count))))
            case 2: bytes = (0..<random.below(1_300)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            default:
                // Sealed well, and nonsense.
                let kind = MatchMessage.Kind.allCases[Int(random.below(10))].rawValue
                let body = (0..<random.below(200)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                bytes = matchmaker.sealed([kind, 1] + body)
            }
            lab.deliver(bytes, from: ClientLab.address, to: one.outside)
        }
        for datagram in recorded {
            lab.deliver(datagram, from: Endpoint(v4: 0x0808_0808, port: 3_478), to: one.outside)
        }
        #expect(one.events.count == events && one.client.state == .registered)
        lab.pass(.seconds(100))
        #expect(one.events.count == events && one.client.state == .registered)
    }
}
