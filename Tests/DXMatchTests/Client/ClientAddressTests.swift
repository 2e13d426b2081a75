import DXWire
import Testing

@testable import DXMatch

/// Which of a matchmaker's addresses is used, and what is learned of our own.
@Suite struct ClientAddressTests {
    private static let dead = Endpoint(v4: 0xc000_02fe, port: 3_478)
    private static let other = Endpoint(v6High: 0x2001_0db8_0000_0000, low: 1, port: 3_478)

    @Test func aDeadAddressIsPassedOver() throws {
        let lab = ClientLab()
        _ = lab.addMatchmaker()
        let gateway = lab.addGateway(addresses: [Self.dead, ClientLab.address])
        try lab.register(gateway, within: .seconds(1))
        #expect(gateway.client.status.server == ClientLab.address)
        #expect(gateway.client.status.failureCount == 0)
    }

    @Test func whatAnsweredIsUsedUntilItDoesNot() throws {
        let lab = ClientLab()
        let (first, second) = (lab.addMatchmaker(), lab.addMatchmaker(at: [Self.other], seed: 8))
        let gateway = lab.addGateway(addresses: [ClientLab.address, Self.other])
        try lab.register(gateway)
        #expect(first.server.status.registrations == 1 && second.heard.isEmpty)
        first.isSilent = true
        // Three refreshes, then a request of which two go to the one that answered.
        lab.pass(.seconds(2 * 25 + 7 + 2))
        #expect(gateway.client.state == .registered)
        #expect(gateway.listings.last?.server == Self.other && second.server.status.registrations == 1)
        #expect(!gateway.events.contains(.unreachable(nil)))
    }

    @Test func addressesMayBeReplaced() throws {
        let lab = ClientLab()
        _ = lab.addMatchmaker()
        let second = lab.addMatchmaker(at: [Self.other], seed: 8)
        let gateway = lab.addGateway()
        try lab.register(gateway)
        lab.tell(gateway) { $0.setAddresses([Self.other], now: lab.now) }
        lab.pass(.seconds(1))
        #expect(gateway.listings.last?.server == Self.other && second.server.status.registrations == 1)
        // In another order they are the same.
        lab.tell(gateway) { $0.setAddresses([Self.dead, Self.other], now: lab.now) }
        lab.pass(.seconds(100))
        #expect(gateway.client.status.server == Self.other && gateway.client.state == .registered)
        #expect(gateway.listings.count == 2)
    }

    @Test func withoutAnAddressNothingIsDone() throws {
        let lab = ClientLab()
        _ = lab.addMatchmaker()
        let gateway = lab.addGateway(addresses: [])
        try lab.tell(gateway) { client throws(MatchClientError) in
            try client.register(gateway.registration(), now: lab.now)
        }
        #expect(gateway.client.state == .noAddress && gateway.client.nextTimeout == nil)
        // What cannot be sent to is none.
        lab.tell(gateway) {
            $0.setAddresses([Endpoint(v4: 0, port: 1), Endpoint(v4: 0xe000_0001, port: 5)], now: lab.now)
        }
        #expect(gateway.client.state == .noAddress && gateway.sentCount == 0)
        lab.tell(gateway) { $0.setAddresses([ClientLab.address], now: lab.now) }
        lab.pass(.seconds(1))
        #expect(gateway.client.state == .registered)
    }

    @Test func ourAddressIsSeenInBothFamilies() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker(at: [ClientLab.address, Self.other])
        let gateway = lab.addGateway(addresses: [ClientLab.address, Self.other], matchKey: nil)
        lab.tell(gateway) { $0.observe(now: lab.now) }
        lab.pass(.seconds(1))
        for server in [ClientLab.address, Self.other] {
            let event = MatchClientEvent.observed(gateway.outside, server: server, base: gateway.base)
            #expect(gateway.events.contains(event))
        }
        #expect(matchmaker.server.status.registrations == 0 && matchmaker.requests[.observe] == 2)
        #expect(gateway.client.state == .ready)
        // The ticket ends and no other is asked for, since nothing is wanted.
        let sent = gateway.sentCount
        lab.pass(.seconds(200_000))
        #expect(gateway.sentCount == sent)
    }

    /// The largest datagram is sent whole: it arrives where the way is wide enough, and the outcome is told once.
    @Test(arguments: [1_200, 1_199]) func theWayIsMeasured(_ longest: Int) throws {
        let lab = ClientLab()
        _ = lab.addMatchmaker()
        let gateway = lab.addGateway(matchKey: nil)
        // Without a ticket there is nothing to measure with.
        lab.tell(gateway) { $0.measure(now: lab.now) }
        #expect(gateway.sentCount == 0)
        lab.tell(gateway) { $0.observe(now: lab.now) }
        lab.pass(.seconds(1))
        lab.weather.longest = longest
        let before = (count: gateway.sentCount, bytes: gateway.sentByteCount)
        lab.tell(gateway) { $0.measure(now: lab.now) }
        #expect(gateway.sentByteCount == before.bytes + 1_200)
        lab.pass(.seconds(20))
        let told = gateway.events.filter { if case .measured = $0 { true } else { false } }
        #expect(told == [.measured(isAnswered: longest == 1_200, server: ClientLab.address)])
        #expect(gateway.sentCount - before.count == (longest == 1_200 ? 1 : 3))
        // A narrow way is no reason to give the matchmaker up.
        #expect(gateway.client.state == .ready)
    }

    @Test func anInstanceThatLeavesIsLeft() throws {
        let lab = ClientLab()
        let (first, second) = (lab.addMatchmaker(), lab.addMatchmaker(at: [Self.other], seed: 8))
        let gateway = lab.addGateway(addresses: [ClientLab.address, Self.other])
        try lab.register(gateway)
        first.isLeaving = true
        lab.pass(.seconds(30))
        #expect(gateway.events.filter { $0 == .isLeaving }.count == 1)
        #expect(gateway.listings.last?.server == Self.other && gateway.client.state == .registered)
        #expect(second.server.status.registrations == 1)
        lab.pass(.seconds(1_000))
        #expect(gateway.listings.count == 2)
    }

    @Test func anInstanceThatLeftMayComeBack() throws {
        let lab = ClientLab()
        let (first, second) = (lab.addMatchmaker(), lab.addMatchmaker(at: [Self.other], seed: 8))
        let gateway = lab.addGateway(addresses: [ClientLab.address, Self.other])
        try lab.register(gateway)
        first.isLeaving = true
        lab.pass(.seconds(30))
        first.restart(losingKeys: true)
        second.isSilent = true
        lab.pass(.seconds(90))
        #expect(gateway.client.state == .registered && first.server.status.registrations == 1)
    }

    /// A name that is not resolved any more: nothing is sent, and nobody is called for nothing.
    @Test(arguments: [0, 10, 50, 100, 200, 300, 1_000])
    func addressesMayGo(afterMilliseconds time: Int64) throws {
        let lab = ClientLab()
        _ = lab.addMatchmaker()
        let gateway = lab.addGateway()
        try lab.tell(gateway) { client throws(MatchClientError) in
            try client.register(gateway.registration(), now: lab.now)
        }
        lab.tell(gateway) { $0.observe(now: lab.now) }
        lab.pass(.milliseconds(time))
        lab.tell(gateway) { $0.setAddresses([], now: lab.now) }
        let sent = gateway.sentCount
        lab.pass(.seconds(2_000))
        #expect(gateway.sentCount == sent && gateway.client.state == .noAddress)
        lab.tell(gateway) { $0.setAddresses([ClientLab.address], now: lab.now) }
        lab.pass(.seconds(1))
        #expect(gateway.client.state == .registered)
    }

    @Test func whoStopsWithoutAnAddressIsGone() throws {
        let lab = ClientLab()
        _ = lab.addMatchmaker()
        let gateway = lab.addGateway()
        try lab.register(gateway)
        lab.tell(gateway) { $0.stop(now: lab.now) }
        lab.tell(gateway) { $0.setAddresses([], now: lab.now) }
        #expect(gateway.events.last == .left && gateway.client.nextTimeout == nil)
    }

    @Test func theOnlyInstanceIsKeptWhileItLeaves() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let gateway = lab.addGateway()
        try lab.register(gateway)
        matchmaker.isLeaving = true
        lab.pass(.seconds(1_000))
        #expect(gateway.events.filter { $0 == .isLeaving }.count == 1)
        #expect(gateway.client.state == .registered && gateway.listings.count == 1)
        // Whoever comes new is refused and says so.
        let late = lab.addGateway()
        try lab.tell(late) { client throws(MatchClientError) in
            try client.register(late.registration(), now: lab.now)
        }
        lab.pass(.seconds(10))
        #expect(late.client.state == .failing(.registrationRefused(.leaving)))
        matchmaker.isLeaving = false
        lab.pass(.seconds(30))
        #expect(late.client.state == .registered)
    }
}
