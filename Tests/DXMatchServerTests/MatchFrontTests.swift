import DXMatch
import DXSecure
import DXWire
import Testing

@testable import DXMatchServer

@Suite struct MatchFrontTests {
    private let lab: FrontLab

    init() throws { lab = try FrontLab() }

    /// All that a gateway does, and a second one that is told of it.
    @Test func aWholeLife() throws {
        let (one, other) = (try lab.member(1), try lab.member(2))
        for gateway in [one, other] {
            let granted = try gateway.takeTicket()
            #expect(granted.result == .granted && granted.lifetime == 86_400 && granted.alternatePort == 3_479)
            #expect(try gateway.observe() == gateway.transport.address)
            let registered = try gateway.register()
            #expect(registered.lifetime == 600)
            let refreshed = try #require(try gateway.refresh())
            #expect(!refreshed.flags.contains(.registerAgain) && !refreshed.flags.contains(.leaving))
        }
        let entries = try one.roster()
        #expect(entries.map(\.entry.memberTag) == [other.memberTag])
        #expect(entries.map(\.entry.address) == [other.transport.address])
        #expect(entries.map(\.blob) == [other.blob])
        guard case .introduced(let answer) = try one.introduce(other.memberTag, nonce: 77) else {
            Issue.record("not introduced")
            return
        }
        #expect(answer.address == other.transport.address)
        let heard = try #require(try other.hearNotice())
        #expect(heard.notice.memberTag == one.memberTag && heard.notice.nonce == 77)
        #expect(heard.notice.address == one.transport.address && heard.blob == one.blob)
        // It comes again until it is acknowledged.
        try lab.pass(.milliseconds(300))
        #expect(try other.hearNotice()?.number == heard.number)
        _ = try other.refresh(notice: heard.number)
        try lab.pass(.seconds(2))
        #expect(try other.hearNotice() == nil)
        #expect(try one.leave() == .status(.leave, .done))
        #expect(try other.roster().isEmpty)
        #expect(lab.drops.isEmpty)
    }

    // MARK: Who gets a ticket

    @Test func withoutAMatchKeyItServesObserveOnly() throws {
        let gateway = try lab.gateway(1, matchKey: nil)
        #expect(try gateway.takeTicket().result == .granted)
        #expect(try gateway.observe() == gateway.transport.address)
        #expect(try gateway.answer(try gateway.registerBody(proof: .zero)) == .status(.register, .notServed))
    }

    @Test func otherGroupsAreNotServed() throws {
        let stranger = try Identity.generate()
        let gateway = try lab.gateway(1, matchKey: stranger)
        let granted = try gateway.takeTicket()
        #expect(granted.result == .notServed && granted.ticket == .zero)
        // Nor does it help to show the key of one that is.
        let thief = try lab.member(2)
        #expect(try thief.takeTicket(signedBy: stranger).result == .notServed)
        #expect(lab.front.statistics.wrongTicketSignatures == 1 && lab.front.statistics.notServed == 1)
        let open = try FrontLab(groups: .open)
        #expect(try open.gateway(1, matchKey: stranger).takeTicket().result == .granted)
    }

    /// A group that is taken off the list is gone at once: its tickets are refused, nobody is listed, no REFRESH renews.
    @Test func aGroupThatIsServedNoMore() throws {
        let gateway = try lab.member(1)
        try gateway.takeTicket()
        try gateway.register()
        #expect(lab.front.status.server.registrations == 1)
        lab.front.groups = .listed([])
        #expect(lab.front.status.server.registrations == 0)
        #expect(try gateway.refresh() == nil)
        let body = [UInt8](capacity: 1) { MatchRequest.writeObserve(to: &$0) }
        #expect(try gateway.exchange(try gateway.request(body))?.0 == .ticketRefused(gateway.sequence))
        #expect(try gateway.takeTicket().result == .notServed)
    }

    // MARK: Restarts and days

    @Test func ticketsOutliveARestart() throws {
        let gateway = try lab.member(1)
        try gateway.takeTicket()
        try gateway.register()
        let after = try FrontLab(
            identity: lab.identity, secrets: lab.secrets, matchKey: lab.matchKey, now: lab.now + .seconds(3_600))
        gateway.transport = LabTransport(after, gateway.transport.address)
        // The registration is forgotten, the ticket is good.
        #expect(try gateway.refresh() == nil)
        #expect(try gateway.observe() == gateway.transport.address)
        try gateway.register()
        #expect(try gateway.refresh() != nil)
    }

    @Test func otherSecretsRefuseTheTicket() throws {
        let gateway = try lab.member(1)
        try gateway.takeTicket()
        let after = try FrontLab(identity: lab.identity, matchKey: lab.matchKey, now: lab.now)
        gateway.transport = LabTransport(after, gateway.transport.address)
        let body = [UInt8](capacity: 1) { MatchRequest.writeObserve(to: &$0) }
        #expect(try gateway.exchange(try gateway.request(body))?.0 == .ticketRefused(gateway.sequence))
        #expect(try gateway.takeTicket().result == .granted)
        #expect(try gateway.observe() == gateway.transport.address)
    }

    /// Keys change at midnight; a ticket lives its day, here and at another instance that has the same secrets.
    @Test func aTicketLivesADay() throws {
        let gateway = try lab.member(1)
        try gateway.takeTicket()
        let home = gateway.transport
        for hours in [11, 2, 10] {
            try lab.pass(.seconds(Int64(hours) * 3_600))
            #expect(try gateway.observe() == home.address)
            let other = try FrontLab(
                identity: lab.identity, secrets: lab.secrets, matchKey: lab.matchKey, now: lab.now)
            gateway.transport = LabTransport(other, home.address)
            #expect(try gateway.observe() == home.address)
            gateway.transport = home
        }
        try lab.pass(.seconds(3_600))
        let body = [UInt8](capacity: 1) { MatchRequest.writeObserve(to: &$0) }
        #expect(try gateway.exchange(try gateway.request(body))?.0 == .ticketRefused(gateway.sequence))
    }

    // MARK: Handshakes

    /// A client repeats what was not answered; the same again is answered the same, at every step.
    @Test func repeatedFlights() throws {
        let gateway = try lab.member(1)
        let cookie = try gateway.askForCookie()
        let association = try MatchDTLS(MatchDTLS.Context(pin: gateway.pin))
        var outcome = association.start()
        while outcome == .incomplete {
            let flight = association.takeFlight()[0]
            let first = try #require(try gateway.exchangeFlight(flight, cookie))
            #expect(try gateway.exchangeFlight(flight, cookie) == first)
            outcome = association.receive(first.raw)
        }
        #expect(outcome == .complete)
        let wish = try gateway.wish(association)
        let answer = try #require(try gateway.exchangeFlight(wish, cookie))
        #expect(try gateway.exchangeFlight(wish, cookie) == answer)
        #expect(lab.front.statistics.repeatedFlights == 3 && lab.front.statistics.tickets == 1)
        #expect(lab.front.status.handshakes == 0)
        // What is over takes nothing else.
        #expect(try gateway.exchangeFlight([1, 2, 3], cookie) == nil)
    }

    @Test func cookiesAreForAnAddressAnAttemptAndATime() throws {
        let gateway = try lab.member(1)
        let cookie = try gateway.askForCookie()
        let association = try MatchDTLS(MatchDTLS.Context(pin: gateway.pin))
        _ = association.start()
        let hello = association.takeFlight()[0]
        let flight = gateway.flight(hello, cookie)
        #expect(lab.receive(try gateway.sealed(flight), from: Endpoint(v4: 0x0a00_0909, port: 7_700)) == nil)
        #expect(lab.receive(try gateway.sealed(flight), from: gateway.transport.address.withPort(7_701)) == nil)
        gateway.attempt = MatchAttempt(high: 1, low: 2)
        #expect(try gateway.exchangeFlight(hello, cookie) == nil)
        #expect(lab.drops == [.wrongCookie: 3] && lab.front.status.handshakes == 0)
        try lab.pass(.seconds(20))
        #expect(lab.receive(try gateway.sealed(flight), from: gateway.transport.address) == nil)
        #expect(lab.drops == [.wrongCookie: 4])
    }

    @Test func handshakesHaveLimits() throws {
        func begin(_ number: Int, _ host: Int) throws -> Bool {
            let gateway = try TestGateway(
                pin: lab.identity.gatewayID, matchKey: nil,
                over: LabTransport(lab, Endpoint(v4: 0x0b00_0000 | UInt32(number) << 8 | UInt32(host), port: 7_700)))
            let association = try MatchDTLS(MatchDTLS.Context(pin: gateway.pin))
            _ = association.start()
            return try gateway.exchangeFlight(association.takeFlight()[0], gateway.askForCookie()) != nil
        }
        for host in 1...16 { #expect(try begin(0, host)) }
        #expect(try !begin(0, 17))
        #expect(lab.drops == [.handshakeRate: 1])
        for number in 1...63 { for host in 1...16 { #expect(try begin(number, host)) } }
        #expect(lab.front.status.handshakes == 1_024)
        #expect(try !begin(64, 1))
        #expect(lab.drops[.handshakesFull] == 1)
        try lab.pass(.seconds(10))
        #expect(lab.front.status.handshakes == 0 && lab.front.statistics.handshakesExpired == 1_024)
        #expect(try begin(64, 1))
    }

    // MARK: Hostile datagrams

    @Test func whatDoesNotOpenGetsNothing() throws {
        var random = RandomSource(seed: 5)
        for count in 0..<1_400 {
            let noise = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            #expect(lab.receive(noise, from: Endpoint(v4: 0x0a00_0001, port: 9)) == nil)
        }
        #expect(lab.drops == [.unopened: 1_400])
    }

    /// Whoever knows the pin can say anything: each kind with noise in it, and every message cut at every place.
    @Test func noiseUnderTheVeil() throws {
        let gateway = try lab.member(1)
        try gateway.takeTicket()
        try gateway.register()
        var random = RandomSource(seed: 6)
        let source = Endpoint(v4: 0x0a09_0001, port: 9)
        for kind in UInt8.min ... .max {
            for version in [UInt8(1), 2] {
                for count in [0, 1, 20, 60, 150, 400, 1_170] {
                    let noise = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                    _ = lab.receive(try gateway.sealed([kind, version] + noise), from: source)
                }
            }
        }
        let body = [UInt8](capacity: 1) { MatchRequest.writeObserve(to: &$0) }
        for message in [try gateway.request(body, hears: 40), try gateway.refreshMessage()] {
            for count in 1..<message.count {
                _ = lab.receive(try gateway.sealed(Array(message.prefix(count))), from: source)
            }
        }
        #expect(lab.front.status.server.registrations == 1)
        #expect(try gateway.refresh() != nil)
    }

    @Test func replaysAndForgeries() throws {
        let (one, other) = (try lab.member(1), try lab.member(2))
        for gateway in [one, other] {
            try gateway.takeTicket()
            try gateway.register()
        }
        // A REFRESH again, and from elsewhere.
        let refresh = try one.refreshMessage()
        #expect(try one.exchange(refresh) != nil)
        #expect(try one.exchange(refresh) == nil)
        let moved = try one.sealed(try one.refreshMessage())
        let answer = try #require(lab.receive(moved, from: Endpoint(v4: 0x0a09_0001, port: 9)))
        guard case .refreshed(let refreshed) = try one.opened(answer).0 else {
            Issue.record("not refreshed")
            return
        }
        #expect(refreshed.flags.contains(.registerAgain))
        // A request again: the sequence is not above the last.
        let roster = RosterRequest(handle: one.handle)
        let message = try one.request(
            [UInt8](capacity: 64) { roster.write(to: &$0) }, hears: 800)
        #expect(try one.exchange(message) != nil)
        #expect(try one.exchange(message) == nil)
        // With a bit changed anywhere behind the ticket the seal is broken; in the ticket it is no ticket.
        for index in [2, 60, 121, 125, 140, 150, message.count - 1] {
            var forged = message
            forged[index] ^= 4
            let reply = try one.exchange(forged)?.0
            if index < 122 {
                #expect(reply == .ticketRefused(one.sequence))
            } else {
                #expect(reply == nil)
            }
        }
        #expect(lab.drops == [.unsealed: 4])
        // The other's handle is not mine to use, nor my REGISTER signed by another key.
        one.handle = other.handle
        #expect(try one.leave() == .status(.leave, .notRegistered))
        guard case .proveAddress(let proof, _) = try one.answer(try one.registerBody(proof: .zero)) else {
            Issue.record("no proof wanted")
            return
        }
        let forged = try one.registerBody(proof: proof, signedBy: other.memberKey)
        #expect(try one.answer(forged) == .status(.register, .wrongSignature))
        #expect(lab.front.status.server.registrations == 2)
    }

    /// What a matchmaker says does not open at a matchmaker, so nothing can be reflected back and forth.
    @Test func nothingReflectedOpens() throws {
        let gateway = try lab.member(1)
        let wanted = [UInt8](capacity: 64) { MatchMessage.writeCookieWanted(gateway.attempt, to: &$0) }
        let cookie = try #require(gateway.transport.exchange(try gateway.sealed(wanted)))
        #expect(gateway.transport.exchange(cookie) == nil)
        #expect(lab.drops == [.unopened: 1])
    }

    @Test func unusableSources() throws {
        let gateway = try lab.member(1)
        let wanted = [UInt8](capacity: 64) { MatchMessage.writeCookieWanted(gateway.attempt, to: &$0) }
        for source in [
            Endpoint(v4: 0, port: 9), Endpoint(v4: 0x0a00_0001, port: 0), Endpoint(v4: 0xffff_ffff, port: 9),
            Endpoint(v4: 0xe000_0001, port: 9),
        ] {
            #expect(lab.receive(try gateway.sealed(wanted), from: source) == nil)
        }
        #expect(lab.drops == [.unusableSource: 4])
    }

    @Test func membersAreToldToLeave() throws {
        let (one, late) = (try lab.member(1), try lab.member(2))
        try one.takeTicket()
        try one.register()
        lab.front.isLeaving = true
        #expect(try #require(try one.refresh()).flags.contains(.leaving))
        try late.takeTicket()
        guard case .proveAddress(let proof, _) = try late.answer(try late.registerBody(proof: .zero)) else {
            Issue.record("no proof wanted")
            return
        }
        #expect(try late.answer(try late.registerBody(proof: proof)) == .status(.register, .leaving))
    }
}
