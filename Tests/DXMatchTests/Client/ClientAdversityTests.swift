import DXWire
import Testing

@testable import DXMatch

/// What networks and matchmakers do that do not work as they should, without meaning it.
@Suite struct ClientAdversityTests {
    /// A fifth of the datagrams is lost each way, a tenth comes twice, and they overtake one another.
    @Test(arguments: 0..<12 as Range<UInt64>)
    func badNetworks(seed: UInt64) throws {
        let weather = ClientLab.Weather(
            latency: .milliseconds(30), jitter: .milliseconds(150), loss: 0.2, duplication: 0.1)
        let lab = ClientLab(seed: seed, weather)
        let matchmaker = lab.addMatchmaker(seed: seed)
        matchmaker.lifetime = 400
        let gateways = (0..<4).map { _ in lab.addGateway() }
        for gateway in gateways { try lab.register(gateway, within: .seconds(60)) }
        var asked: [UInt64] = []
        for round in 0..<20 as Range<UInt64> {
            let (one, other) = (gateways[Int(round % 4)], gateways[Int((round + 1) % 4)])
            try lab.tell(one) { client throws(MatchClientError) in
                try client.introduce(to: other.tag, nonce: round, now: lab.now)
            }
            asked.append(round)
            lab.pass(.seconds(70))
        }
        let outcomes = gateways.flatMap(\.events).reduce(into: [UInt64: Bool]()) { outcomes, event in
            if case .introduced(_, let nonce) = event { outcomes[nonce] = true }
            if case .introductionFailed(_, let nonce, _) = event { outcomes[nonce] = false }
        }
        // Each has one end, and nearly all a good one.
        #expect(outcomes.count == 20 && outcomes.values.filter { $0 }.count >= 16)
        let notices = gateways.flatMap(\.noticeNonces)
        #expect(Set(notices).count == notices.count && notices.count >= 16)
        // In good weather everything is as it should be.
        lab.weather = ClientLab.Weather()
        lab.pass(.seconds(400))
        for gateway in gateways {
            #expect(gateway.client.state == .registered)
            #expect(gateway.roster == Set(gateways.map(\.tag)).subtracting([gateway.tag]))
        }
        #expect(matchmaker.server.status.registrations == 4)
    }

    @Test func aDeadMatchmakerCostsLittleAndIsFoundAgain() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        matchmaker.isSilent = true
        let gateway = lab.addGateway()
        try lab.tell(gateway) { client throws(MatchClientError) in
            try client.register(gateway.registration(), now: lab.now)
        }
        lab.pass(.seconds(10))
        #expect(gateway.events == [.unreachable(nil)] && gateway.client.state == .failing(.noAnswer))
        lab.pass(.seconds(86_400))
        // A day: two datagrams of 78 bytes every five minutes.
        #expect(gateway.events == [.unreachable(nil)])
        #expect(gateway.sentCount < 800 && gateway.sentByteCount < 60_000)
        #expect(gateway.client.status.failureCount > 200)
        matchmaker.isSilent = false
        lab.pass(.seconds(400))
        #expect(gateway.client.state == .registered && gateway.client.status.failureCount == 0)
    }

    @Test func aMatchmakerThatDiesIsFoundAgainWithItsTicket() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let gateway = lab.addGateway()
        try lab.register(gateway)
        lab.pass(.seconds(100))
        matchmaker.isSilent = true
        lab.pass(.seconds(45))
        #expect(gateway.events.last == .unreachable(nil))
        let sent = gateway.sentCount
        lab.pass(.seconds(7_200))
        #expect(gateway.sentCount - sent < 80)
        matchmaker.isSilent = false
        lab.pass(.seconds(400))
        #expect(gateway.client.state == .registered && gateway.client.status.statistics.tickets == 1)
    }

    @Test func anotherNetworkIsTriedAtOnce() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        matchmaker.isSilent = true
        let gateway = lab.addGateway()
        try lab.tell(gateway) { client throws(MatchClientError) in
            try client.register(gateway.registration(), now: lab.now)
        }
        lab.pass(.seconds(5_000))
        matchmaker.isSilent = false
        lab.tell(gateway) { $0.networkChanged(now: lab.now) }
        lab.pass(.seconds(1))
        #expect(gateway.client.state == .registered)
    }

    @Test func matchmakersThatComeBackAreNotStormed() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        matchmaker.isSilent = true
        let gateways = (0..<30).map { _ in lab.addGateway() }
        for gateway in gateways {
            try lab.tell(gateway) { client throws(MatchClientError) in
                try client.register(gateway.registration(), now: lab.now)
            }
        }
        lab.pass(.seconds(5_000))
        matchmaker.isSilent = false
        var perSecond: [Int] = []
        for _ in 0..<400 {
            let before = matchmaker.heard[.cookieWanted, default: 0]
            lab.pass(.seconds(1))
            perSecond.append(matchmaker.heard[.cookieWanted, default: 0] - before)
        }
        #expect(matchmaker.server.status.registrations == 30)
        // All of them have been waiting for as long, and come spread over minutes.
        #expect(perSecond.max() ?? 30 <= 5)
    }

    @Test func everyChangeAtOnce() throws {
        for seed in 0..<15 as Range<UInt64> {
            var random = RandomSource(seed: seed)
            let lab = ClientLab(seed: seed, ClientLab.Weather(jitter: .milliseconds(50), loss: 0.05))
            let matchmaker = lab.addMatchmaker(seed: seed)
            let gateway = lab.addGateway()
            try lab.register(gateway, within: .seconds(30))
            for step in 0..<60 as Range<UInt16> {
                switch random.below(8) {
                case 0: matchmaker.restart(losingKeys: random.chance(0.5))
                case 1: gateway.outside = gateway.outside.withPort(10_000 + step)
                case 2: lab.tell(gateway) { $0.networkChanged(now: lab.now) }
                case 3: lab.tell(gateway) { $0.observe(now: lab.now) }
                case 4: lab.tell(gateway) { $0.readRoster(now: lab.now) }
                case 5: matchmaker.isSilent.toggle()
                case 6: lab.tell(gateway) { $0.unregister(now: lab.now) }
                default: break
                }
                gateway.revision += 1
                try lab.tell(gateway) { client throws(MatchClientError) in
                    let tag = GroupTag(high: random.below(2), low: 1)
                    try client.register(gateway.registration(tag), now: lab.now)
                    try client.introduce(to: MemberTag(high: 1, low: 1), nonce: UInt64(step), now: lab.now)
                }
                lab.pass(.milliseconds(Int64(random.below(20_000))))
            }
            matchmaker.isSilent = false
            lab.weather = ClientLab.Weather()
            // The longest pause between tries and a lifetime.
            lab.pass(.seconds(1_100))
            #expect(gateway.client.state == .registered)
            #expect(gateway.client.status.observedV4 == gateway.outside)
            #expect(matchmaker.server.status.registrations == 1)
        }
    }
}
