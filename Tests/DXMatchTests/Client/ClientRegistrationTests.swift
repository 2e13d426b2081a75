import DXWire
import Testing

@testable import DXMatch

/// A gateway gets listed and stays listed.
@Suite struct ClientRegistrationTests {
    @Test func firstContact() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let gateway = lab.addGateway()
        // Nothing to do: nothing said.
        lab.pass(.seconds(100))
        #expect(gateway.sentCount == 0 && gateway.client.nextTimeout == nil)
        let start = lab.now
        try lab.register(gateway)
        // Cookie, two flights, record, two registers: six round trips of 40 ms.
        #expect(lab.now - start == .milliseconds(240))
        let listing = try #require(gateway.listings.first)
        #expect(listing.observed == gateway.outside && listing.server == ClientLab.address)
        #expect(listing.base == gateway.base && listing.memberCount == 1)
        #expect(gateway.events.contains(.ticketChanged))
        #expect(matchmaker.server.status.registrations == 1)
        #expect(gateway.client.status.roundTrip == .milliseconds(40))
        #expect(gateway.client.status.observedV4 == gateway.outside)
        #expect(gateway.client.alternatePort == 3_479)
        #expect(gateway.client.memberTag == gateway.tag)
    }

    /// 24 s is what a NAT needs that forgets after 30.
    @Test(arguments: [24, 30]) func aDayInALineCostsHalfAMegabyte(keepalive: Int64) throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let gateway = lab.addGateway { $0.keepalive = .seconds(keepalive) }
        try lab.register(gateway)
        let end = lab.now + .seconds(86_400)
        let sent = (gateway.sentCount, gateway.sentByteCount)
        let received = gateway.client.status.statistics.received
        while lab.now < end {
            lab.pass(.seconds(300))
            #expect(gateway.client.state == .registered)
            #expect(matchmaker.server.status.registrations == 1)
        }
        // With IP and UDP. Of the two renewals of the ticket in a day the answers are larger than that of a REFRESH, but no larger
        // than what was asked, of which there is as much to spare.
        let count = gateway.sentCount - sent.0
        let answers = Int(gateway.client.status.statistics.received - received)
        #expect(count >= 86_400 / Int(keepalive) - 10 && answers >= 86_400 / 60 - 10)
        #expect(gateway.sentByteCount - sent.1 + count * 28 + answers * 79 < 480_000)
        #expect(gateway.listings.count == 1)
    }

    @Test func everySecondOfFrequentRefreshesIsAnswered() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let gateways = [20, 30].map { seconds in lab.addGateway { $0.keepalive = .seconds(seconds) } }
        for gateway in gateways { try lab.register(gateway) }
        lab.pass(.seconds(30))
        func counts() -> [(sent: Int, received: Int)] {
            gateways.map { ($0.sentCount, Int($0.client.status.statistics.received)) }
        }
        let before = counts()
        lab.pass(.seconds(600))
        let more = zip(before, counts()).map { ($1.sent - $0.sent, $1.received - $0.received) }
        // The next one is due some round trips later than a whole number of intervals after the last.
        #expect((29...30).contains(more[0].0) && (14...15).contains(more[0].1))
        #expect((19...20).contains(more[1].0) && (19...20).contains(more[1].1))
        #expect(matchmaker.server.status.registrations == 2)
    }

    @Test func ticketsAreRenewedWithoutAGap() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let gateway = lab.addGateway { $0.keepalive = .seconds(100) }
        matchmaker.lifetime = 3_600
        try lab.register(gateway)
        for _ in 0..<600 {
            lab.pass(.seconds(60))
            #expect(gateway.client.state == .registered)
            #expect(matchmaker.server.status.registrations == 1)
        }
        let tickets = gateway.client.status.statistics.tickets
        // Ten hours, each ticket for 24 to 30 minutes.
        #expect((20...26).contains(tickets))
        #expect(gateway.client.status.statistics.registrations == tickets)
        // Nobody needs to hear of it.
        #expect(gateway.listings.count == 1)
    }

    @Test func anotherBlobReplacesTheFirst() throws {
        let lab = ClientLab()
        _ = lab.addMatchmaker()
        let (gateway, other) = (lab.addGateway(), lab.addGateway())
        try lab.register(gateway)
        try lab.register(other)
        gateway.blob = [1, 2, 3]
        gateway.revision = 9
        try lab.tell(gateway) { client throws(MatchClientError) in
            try client.register(gateway.registration(), now: lab.now)
        }
        lab.pass(.seconds(2))
        #expect(gateway.listings.count == 2)
        try lab.tell(other) { client throws(MatchClientError) in
            try client.introduce(to: gateway.tag, nonce: 5, now: lab.now)
        }
        lab.pass(.seconds(2))
        let peer = MatchPeer(memberTag: gateway.tag, address: gateway.outside, revision: 9, blob: [1, 2, 3])
        #expect(other.events.contains(.introduced(peer, nonce: 5)))
        // The same again says nothing.
        let sent = gateway.sentCount
        try lab.tell(gateway) { client throws(MatchClientError) in
            try client.register(gateway.registration(), now: lab.now)
        }
        #expect(gateway.sentCount == sent)
    }

    @Test func aLowerRevisionIsRefusedUntilAHigherOneComes() throws {
        let lab = ClientLab()
        _ = lab.addMatchmaker()
        let gateway = lab.addGateway()
        gateway.revision = 100
        try lab.register(gateway)
        gateway.revision = 5
        gateway.blob = [5]
        try lab.tell(gateway) { client throws(MatchClientError) in
            try client.register(gateway.registration(), now: lab.now)
        }
        lab.pass(.seconds(30))
        #expect(gateway.events.contains(.registrationRefused(.stale)))
        gateway.revision = 101
        try lab.tell(gateway) { client throws(MatchClientError) in
            try client.register(gateway.registration(), now: lab.now)
        }
        lab.pass(.seconds(2))
        #expect(gateway.client.state == .registered && gateway.listings.count == 2)
        #expect(gateway.client.status.failureCount == 0)
    }

    @Test func anotherAddressIsProvedAndListed() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let gateway = lab.addGateway()
        try lab.register(gateway)
        // The NAT took another port.
        gateway.outside = gateway.outside.withPort(4_444)
        lab.pass(.seconds(30))
        #expect(gateway.client.state == .registered)
        #expect(gateway.listings.last?.observed == gateway.outside && gateway.listings.count == 2)
        #expect(matchmaker.server.status.registrations == 1)
        #expect(gateway.client.status.statistics.tickets == 1)
    }

    @Test func anotherNetworkIsSaidAtOnce() throws {
        let lab = ClientLab()
        _ = lab.addMatchmaker()
        let gateway = lab.addGateway()
        try lab.register(gateway)
        gateway.outside = Endpoint(v4: 0x0b00_0001, port: 1_000)
        lab.tell(gateway) { $0.networkChanged(now: lab.now) }
        lab.pass(.milliseconds(200))
        #expect(gateway.listings.last?.observed == gateway.outside)
    }

    @Test func anotherEpochIsAnotherRegistration() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let gateways = (0..<3).map { _ in lab.addGateway() }
        for gateway in gateways { try lab.register(gateway) }
        let next = GroupTag(high: 0xcc, low: 2)
        for gateway in gateways {
            gateway.revision += 1
            try lab.tell(gateway) { client throws(MatchClientError) in
                try client.register(gateway.registration(next), now: lab.now)
            }
        }
        lab.pass(.seconds(15))
        #expect(matchmaker.server.status.registrations == 3 && matchmaker.server.status.groups == 1)
        #expect(matchmaker.requests[.leave] == 3)
        for gateway in gateways {
            #expect(gateway.client.state == .registered)
            #expect(gateway.roster == Set(gateways.map(\.tag)).subtracting([gateway.tag]))
            // Nobody asked to leave.
            #expect(!gateway.events.contains(.left))
        }
    }

    @Test func whoStopsIsGone() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let gateway = lab.addGateway()
        try lab.register(gateway)
        lab.tell(gateway) { $0.stop(now: lab.now) }
        lab.pass(.seconds(1))
        #expect(gateway.events.last == .left && gateway.client.state == .stopped)
        #expect(matchmaker.server.status.registrations == 0)
        #expect(gateway.client.nextTimeout == nil)
        let sent = gateway.sentCount
        lab.pass(.seconds(100_000))
        #expect(gateway.sentCount == sent)
        #expect(throws: MatchClientError.stopped) {
            try gateway.client.register(gateway.registration(), now: lab.now)
        }
    }

    @Test func whoStopsBeforeADeadMatchmakerIsGoneAsWell() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let gateway = lab.addGateway()
        try lab.register(gateway)
        matchmaker.isSilent = true
        lab.tell(gateway) { $0.stop(now: lab.now) }
        #expect(gateway.events.last != .left)
        lab.pass(.seconds(4))
        #expect(gateway.events.last == .left && gateway.client.nextTimeout == nil)
        // Without a registration there is nothing to wait for.
        let other = lab.addGateway()
        lab.tell(other) { $0.stop(now: lab.now) }
        #expect(other.events == [.left])
    }

    @Test func unregisteredIsReadyForMore() throws {
        let lab = ClientLab()
        let matchmaker = lab.addMatchmaker()
        let gateway = lab.addGateway()
        try lab.register(gateway)
        lab.tell(gateway) { $0.unregister(now: lab.now) }
        lab.pass(.seconds(1))
        #expect(gateway.events.last == .left && gateway.client.state == .ready)
        #expect(matchmaker.server.status.registrations == 0)
        try lab.register(gateway)
        #expect(matchmaker.server.status.registrations == 1)
        #expect(gateway.client.status.statistics.tickets == 1)
    }

    @Test func whatIsAskedWrongly() throws {
        let lab = ClientLab()
        _ = lab.addMatchmaker()
        let gateway = lab.addGateway()
        let keyless = lab.addGateway(matchKey: nil)
        #expect(throws: MatchClientError.noMatchKey) {
            try keyless.client.register(keyless.registration(), now: lab.now)
        }
        #expect(throws: MatchClientError.notRegistering) {
            try gateway.client.introduce(to: keyless.tag, nonce: 1, now: lab.now)
        }
        gateway.blob = [UInt8](repeating: 0, count: 601)
        #expect(throws: MatchClientError.blobTooLarge) {
            try gateway.client.register(gateway.registration(), now: lab.now)
        }
        gateway.blob = [UInt8](repeating: 0, count: 600)
        try lab.register(gateway)
        #expect(throws: MatchClientError.blobTooLarge) {
            try gateway.client.introduce(
                to: keyless.tag, nonce: 1, blob: [UInt8](repeating: 0, count: 601), now: lab.now)
        }
        for nonce in 0..<32 { try gateway.client.introduce(to: keyless.tag, nonce: UInt64(nonce), now: lab.now) }
        #expect(throws: MatchClientError.tooManyIntroductions) {
            try gateway.client.introduce(to: keyless.tag, nonce: 99, now: lab.now)
        }
        // One that is under way is no other one.
        try gateway.client.introduce(to: keyless.tag, nonce: 31, now: lab.now)
    }
}
