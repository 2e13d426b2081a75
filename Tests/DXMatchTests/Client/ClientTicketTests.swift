import DXWire
import Testing

@testable import DXMatch

/// Tickets: refused, lost, kept over a restart; and matchmakers that are others.
@Suite struct ClientTicketTests {
    private func wantRegistration(_ lab: ClientLab, _ gateway: LabGateway) throws {
        try lab.tell(gateway) { client throws(MatchClientError) in
            try client.register(gateway.registration(), now: lab.now)
        }
    }

    @Test func anotherMatchmakerIsNamedWithBothPins() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        matchmaker.shownPin = GatewayID([UInt8](repeating: 0x11, count: 32))!
        let gateway = lab.addGateway()
        try wantRegistration(lab, gateway)
        lab.pass(.seconds(1_000))
        let wrong = MatchClientEvent.wrongPin(expected: ClientLab.pin, seen: matchmaker.shownPin)
        // Said once, tried for ever.
        #expect(gateway.events == [wrong])
        let problem = MatchClientProblem.wrongPin(expected: ClientLab.pin, seen: matchmaker.shownPin)
        #expect(gateway.client.state == .failing(problem))
        #expect("\(problem)".contains(ClientLab.pin.text) && "\(problem)".contains(matchmaker.shownPin.text))
        #expect(gateway.sentCount < 40)
        matchmaker.shownPin = ClientLab.pin
        lab.pass(.seconds(400))
        #expect(gateway.client.state == .registered)
    }

    @Test(arguments: [1, 2, 3, 77] as [UInt8])
    func whoGivesNoTicketSaysWhy(number: UInt8) throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let result = TicketGranted.Result(rawValue: number)
        matchmaker.result = result
        let gateway = lab.addGateway()
        try wantRegistration(lab, gateway)
        lab.pass(.seconds(3_600))
        #expect(gateway.events == [.ticketRefused(result)])
        #expect(gateway.client.state == .failing(.ticketRefused(result)))
        // An hour of tries, each of four datagrams, every five minutes at last.
        #expect(gateway.sentCount < 4 * 25)
        #expect(gateway.client.status.nextAttemptAt ?? .zero > lab.now)
        matchmaker.result = .granted
        lab.pass(.seconds(400))
        #expect(gateway.client.state == .registered && gateway.client.status.failureCount == 0)
    }

    @Test func aMatchmakerThatLostItsKeysGivesOthers() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let gateways = (0..<5).map { _ in lab.addGateway() }
        for gateway in gateways { try lab.register(gateway) }
        lab.pass(.seconds(100))
        matchmaker.restart(losingKeys: true)
        // At most two keepalives, of which one is answered, three refreshes, a refused request and a handshake.
        lab.pass(.seconds(2 * 25 + 7 + 1))
        #expect(matchmaker.server.status.registrations == 5)
        for gateway in gateways {
            #expect(gateway.client.state == .registered)
            #expect(gateway.client.status.statistics.tickets == 2)
            #expect(!gateway.events.contains(.unreachable(nil)))
        }
    }

    @Test func aMatchmakerThatKeptItsKeysTakesTheTicket() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let gateway = lab.addGateway()
        try lab.register(gateway)
        matchmaker.restart(losingKeys: false)
        lab.pass(.seconds(2 * 25 + 7 + 1))
        #expect(matchmaker.server.status.registrations == 1 && gateway.client.state == .registered)
        #expect(gateway.client.status.statistics.tickets == 1)
    }

    @Test func aKeptTicketMakesFirstContactOneDatagram() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let gateway = lab.addGateway()
        try lab.register(gateway)
        let exported = try #require(gateway.client.exportTicket(now: lab.now))
        lab.remove(gateway)
        var kept = try #require(MatchTicket(bytes: exported.bytes))
        #expect(kept.bytes == exported.bytes)
        lab.pass(.seconds(3_600))
        kept.expiresIn = kept.expiresIn - .seconds(3_600)
        let next = lab.addGateway(kept: kept)
        #expect(next.events == [.ticketChanged])
        let before = matchmaker.heard
        try lab.register(next, within: .milliseconds(81))
        #expect(matchmaker.heard[.cookieWanted] == before[.cookieWanted])
        #expect(matchmaker.heard[.clientFlight] == before[.clientFlight])
        #expect(next.sentCount == 3)
        // What is kept now begins with numbers that this run will not use.
        let again = try #require(next.client.exportTicket(now: lab.now))
        #expect(again.nextSequence > kept.nextSequence + 1 << 31)
    }

    @Test func aTicketThatWasTakenTwiceIsLetGo() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let first = lab.addGateway()
        try lab.register(first)
        let kept = try #require(first.client.exportTicket(now: lab.now))
        lab.remove(first)
        // A run that used many numbers and could not keep them.
        let second = LabGateway(first.number, first.client.configuration, ClientLab.matchKey, kept: kept, now: lab.now)
        lab.add(second)
        try lab.register(second)
        for _ in 0..<50 {
            second.revision += 1
            try wantRegistration(lab, second)
            lab.pass(.seconds(1))
        }
        lab.remove(second)
        let third = LabGateway(first.number, first.client.configuration, ClientLab.matchKey, kept: kept, now: lab.now)
        third.revision = 1_000
        lab.add(third)
        // Its numbers are dropped without a word.
        try lab.register(third, within: .seconds(30))
        #expect(third.client.status.statistics.tickets == 1)
        #expect(matchmaker.server.status.registrations == 1)
    }

    @Test func aTicketThatIsNotKnownIsReplaced() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let gateway = lab.addGateway()
        try lab.register(gateway)
        let kept = try #require(gateway.client.exportTicket(now: lab.now))
        lab.remove(gateway)
        matchmaker.restart(losingKeys: true)
        let next = lab.addGateway(kept: kept)
        // A refused request, then everything.
        try lab.register(next, within: .milliseconds(40 + 240 + 1))
    }

    @Test func ticketFilesOfOtherFormsAreNone() throws {
        let lab = ClientLab()
        _ = lab.addMatchmaker()
        let gateway = lab.addGateway()
        try lab.register(gateway)
        let bytes = try #require(gateway.client.exportTicket(now: lab.now)).bytes
        #expect(bytes.count == MatchTicket.byteCount)
        #expect(MatchTicket(bytes: Array(bytes.dropLast())) == nil && MatchTicket(bytes: bytes + [0]) == nil)
        #expect(MatchTicket(bytes: [2] + bytes.dropFirst()) == nil && MatchTicket(bytes: []) == nil)
        // One that has ended is not used.
        var old = try #require(MatchTicket(bytes: bytes))
        old.expiresIn = .zero
        let next = lab.addGateway(kept: old)
        #expect(next.client.exportTicket(now: lab.now) == nil && next.events.isEmpty)
        #expect("\(old)" == "(secret)")
    }

    @Test func twoMachinesShareASocket() throws {
        let lab = ClientLab()
        _ = lab.addMatchmaker()
        lab.isRecording = true
        let gateway = lab.addGateway()
        try lab.register(gateway)
        let other = lab.addGateway()
        try lab.register(other)
        // What was for one is not for the other, and changes nothing there.
        let status = other.client.status
        let events = other.events.count
        for one in lab.delivered where one.to == gateway.outside {
            let isOthers = other.client.receive(one.datagram.raw, from: one.from, on: other.base, now: lab.now)
            #expect(!isOthers)
        }
        lab.drain(other)
        #expect(other.client.status.state == status.state && other.events.count == events)
        let count = lab.delivered.filter { $0.to == gateway.outside }.count
        #expect(other.client.status.statistics.unmatched - status.statistics.unmatched == UInt64(count))
    }
}
