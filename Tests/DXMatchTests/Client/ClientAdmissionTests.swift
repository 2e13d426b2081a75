import DXWire
import Testing

@testable import DXMatch

/// A member that has its matchmaker serve others (`docs/matchmaking.md` §4.4).
@Suite struct ClientAdmissionTests {
    private static let guestKey = PublicPoint(parity: 2, x: Block32(8, 8, 8, 8))!

    private func admissions(_ gateway: LabGateway) -> Int {
        gateway.events.count { if case .admitted(Self.guestKey, _) = $0 { true } else { false } }
    }

    private func refusals(_ gateway: LabGateway) -> [MatchStatus] {
        gateway.events.compactMap { if case .admissionRefused(Self.guestKey, let status) = $0 { status } else { nil } }
    }

    private func isServed(_ matchmaker: FakeMatchmaker, _ lab: ClientLab) -> Bool {
        let hash = FakeCryptography().matchKeyHash(of: Self.guestKey)
        return matchmaker.server.admissionEnd(of: hash, now: lab.now) != nil
    }

    private func admit(_ gateway: LabGateway, _ lab: ClientLab, for lifetime: UInt16 = 600) throws {
        try lab.tell(gateway) { client throws(MatchClientError) in
            try client.admit(Self.guestKey, lifetime: lifetime, now: lab.now)
        }
    }

    @Test func itIsAskedOnceRegisteredAndRenewedAtHalf() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let gateway = lab.addGateway()
        try admit(gateway, lab)
        // Without a registration there is nobody who could ask.
        lab.pass(.seconds(10))
        #expect(matchmaker.requests[.admit] == nil && gateway.client.isAdmissionPending(Self.guestKey))
        try lab.register(gateway)
        try lab.run(within: .seconds(1)) { admissions(gateway) == 1 }
        #expect(!gateway.client.isAdmissionPending(Self.guestKey) && isServed(matchmaker, lab))
        // The same again is nothing new.
        try admit(gateway, lab)
        lab.pass(.seconds(299))
        #expect(matchmaker.requests[.admit] == 1)
        lab.pass(.seconds(2))
        #expect(matchmaker.requests[.admit] == 2 && admissions(gateway) == 2)
        for _ in 0..<20 {
            lab.pass(.seconds(200))
            #expect(isServed(matchmaker, lab))
        }
        lab.tell(gateway) { $0.dismiss(Self.guestKey) }
        lab.pass(.seconds(700))
        #expect(!isServed(matchmaker, lab) && gateway.client.state == .registered)
    }

    @Test(arguments: 1...8) func lossIsMadeGood(seed: UInt64) throws {
        var weather = ClientLab.Weather()
        (weather.loss, weather.duplication, weather.jitter) = (0.3, 0.2, .milliseconds(50))
        let lab = ClientLab(seed: seed, weather)
        let matchmaker = lab.addMatchmaker()
        let gateway = lab.addGateway()
        try admit(gateway, lab, for: 3_600)
        try lab.register(gateway, within: .seconds(120))
        try lab.run(within: .seconds(120)) { admissions(gateway) > 0 }
        #expect(isServed(matchmaker, lab))
    }

    @Test(arguments: [false, true]) func aMatchmakerThatForgetsIsToldAgain(keys: Bool) throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let gateway = lab.addGateway()
        try admit(gateway, lab, for: 3_600)
        try lab.register(gateway)
        try lab.run(within: .seconds(1)) { isServed(matchmaker, lab) }
        matchmaker.restart(losingKeys: keys)
        try lab.run(within: .seconds(60)) { isServed(matchmaker, lab) }
        // A guest that was refused is news that comes sooner.
        matchmaker.restart(losingKeys: keys)
        lab.pass(.seconds(1))
        lab.tell(gateway) { $0.renewAdmission(of: Self.guestKey, now: lab.now) }
        lab.pass(.seconds(90))
        #expect(isServed(matchmaker, lab))
    }

    @Test func aRefusedGuestIsAskedForAgainButNotAllTheTime() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let gateway = lab.addGateway()
        try admit(gateway, lab, for: 3_600)
        try lab.register(gateway)
        lab.pass(.seconds(61))
        for _ in 0..<50 {
            lab.tell(gateway) { $0.renewAdmission(of: Self.guestKey, now: lab.now) }
            lab.pass(.seconds(1))
        }
        #expect(matchmaker.requests[.admit] == 2)
    }

    @Test func aRefusalIsToldOnceAndTriedEverMoreRarely() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        matchmaker.lie = { request, _ in request.kind == .admit ? [6, MatchStatus.full.rawValue] : nil }
        let gateway = lab.addGateway()
        try admit(gateway, lab)
        try lab.register(gateway)
        lab.pass(.seconds(1_000))
        #expect(refusals(gateway) == [.full] && gateway.client.state == .registered)
        #expect(!gateway.client.isAdmissionPending(Self.guestKey))
        let asked = try #require(matchmaker.requests[.admit])
        #expect((5...15).contains(asked))
        matchmaker.lie = nil
        try lab.run(within: .seconds(400)) { admissions(gateway) == 1 }
    }

    /// It says each time that we are not registered, and lists us each time.
    @Test func aMatchmakerThatAlwaysForgetsIsNotAskedAllTheTime() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        matchmaker.lie = { request, _ in request.kind == .admit ? [6, MatchStatus.notRegistered.rawValue] : nil }
        let gateway = lab.addGateway()
        try admit(gateway, lab)
        try lab.register(gateway)
        lab.pass(.seconds(600))
        #expect(try #require(matchmaker.requests[.admit]) < 20)
        #expect(try #require(matchmaker.requests[.register]) < 60)
    }

    @Test func aTicketThatWasRefusedCanBeHadAtOnce() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        matchmaker.result = .notServed
        let gateway = lab.addGateway()
        try lab.tell(gateway) { client throws(MatchClientError) in
            try client.register(gateway.registration(), now: lab.now)
        }
        lab.pass(.seconds(900))
        #expect(gateway.client.state == .failing(.ticketRefused(.notServed)))
        matchmaker.result = .granted
        lab.tell(gateway) { $0.retryTicket(now: lab.now) }
        try lab.run(within: .seconds(2)) { gateway.client.state == .registered }
        // Who is silent is not asked the more.
        matchmaker.isSilent = true
        let silent = lab.addGateway()
        try lab.tell(silent) { client throws(MatchClientError) in
            try client.register(silent.registration(), now: lab.now)
        }
        lab.pass(.seconds(300))
        let before = silent.sentCount
        for _ in 0..<100 { lab.tell(silent) { $0.retryTicket(now: lab.now) } }
        #expect(silent.sentCount == before)
    }

    @Test func whatCannotBeWantedIsRefused() throws {
        let lab = ClientLab()
        _ = lab.addMatchmaker()
        let gateway = lab.addGateway()
        for number in 0..<96 {
            try gateway.client.admit(PublicPoint(parity: 2, x: Block32(UInt64(number), 0, 0, 0))!, now: lab.now)
        }
        #expect(throws: MatchClientError.tooManyAdmissions) { try gateway.client.admit(Self.guestKey, now: lab.now) }
        #expect(gateway.client.admittedKeys.count == 96)
        let observer = lab.addGateway(matchKey: nil)
        #expect(throws: MatchClientError.noMatchKey) { try observer.client.admit(Self.guestKey, now: lab.now) }
        gateway.client.stop(now: lab.now)
        #expect(throws: MatchClientError.stopped) { try gateway.client.admit(Self.guestKey, now: lab.now) }
        #expect(gateway.client.admittedKeys.isEmpty)
    }
}
