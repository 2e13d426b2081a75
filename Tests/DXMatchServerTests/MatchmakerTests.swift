import DXMatch
import DXSecure
import DXSocket
import DXTestFiles
import DXWire
import Logging
import NIOCore
import NIOPosix
import Testing

@testable import DXMatchServer

/// Real sockets on loopback.
@Suite struct MatchmakerTests {
    private let directory = TemporaryDirectory()
    private let matchKey = try! Identity.generate()

    private func start(
        _ listen: MatchListen = MatchListen([ListenAddress(Endpoint(v4: 0x7f00_0001, port: 0))], alternatePort: 0),
        groups: ServedGroups? = nil, answersSTUN: Bool = true
    ) async throws -> Matchmaker {
        let state = try MatchState(directory: directory.file("state"), now: UnixClock.now())
        var configuration = Matchmaker.Configuration(
            listen: listen, groups: groups ?? .listed([FrontLab.hash(matchKey)]))
        configuration.answersSTUN = answersSTUN
        return try await Matchmaker.start(
            configuration, state: state, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            on: MultiThreadedEventLoopGroup.singleton.next())
    }

    private func member(_ matchmaker: Matchmaker, from host: UInt32 = 0x7f00_0001, at index: Int = 0) throws
        -> TestGateway
    {
        try TestGateway(
            pin: matchmaker.pin, matchKey: matchKey,
            over: LoopbackTransport(to: matchmaker.localEndpoints[index].withAddress(0x7f00_0001), from: host))
    }

    @Test func aWholeLife() async throws {
        let matchmaker = try await start()
        let (one, other) = (try member(matchmaker), try member(matchmaker, from: 0x7f01_0203, at: 1))
        for gateway in [one, other] {
            #expect(try gateway.takeTicket().result == .granted)
            #expect(try gateway.observe() == gateway.transport.address)
            try gateway.register()
            #expect(try gateway.refresh()?.flags.contains(.registerAgain) == false)
        }
        #expect(try one.roster().map(\.entry.address) == [other.transport.address])
        // The notice comes from the alternate port, which the other spoke to: its socket hears no other.
        guard case .introduced(let answer) = try one.introduce(other.memberTag, nonce: 5) else {
            Issue.record("not introduced")
            return
        }
        #expect(answer.address == other.transport.address)
        let heard = try #require(try other.hearNotice())
        #expect(heard.notice.memberTag == one.memberTag && heard.blob == one.blob)
        let entries = try await matchmaker.audit(one.groupTag)
        #expect(Set(entries.map(\.key.memberTag)) == [one.memberTag, other.memberTag])
        #expect(Set(entries.map(\.address)) == [one.transport.address, other.transport.address])
        #expect(try one.leave() == .status(.leave, .done))
        #expect(try await matchmaker.audit(one.groupTag).count == 1)
        try await matchmaker.stop()
    }

    /// On all addresses, each member hears its matchmaker from the address that it spoke to.
    @Test func onAllAddresses() async throws {
        let matchmaker = try await start(MatchListen([ListenAddress(text: "0.0.0.0:0")], alternatePort: nil))
        #expect(matchmaker.localEndpoints.count == 1)
        let port = matchmaker.localEndpoints[0].port
        var members: [TestGateway] = []
        for host in [UInt32(0x7f00_0001), 0x7f00_0002, 0x7f05_0001] {
            let gateway = try TestGateway(
                pin: matchmaker.pin, matchKey: matchKey,
                over: LoopbackTransport(to: Endpoint(v4: host, port: port)))
            try gateway.takeTicket()
            try gateway.register()
            members.append(gateway)
        }
        for (nonce, other) in members.dropFirst().enumerated() {
            guard case .introduced = try members[0].introduce(other.memberTag, nonce: UInt64(nonce)) else {
                Issue.record("not introduced")
                return
            }
            #expect(try other.hearNotice()?.notice.memberTag == members[0].memberTag)
        }
        try await matchmaker.stop()
    }

    /// The state directory carries tickets over a restart, and the pin.
    @Test func restart() async throws {
        let first = try await start()
        let gateway = try member(first)
        try gateway.takeTicket()
        try gateway.register()
        try await first.stop()
        let second = try await start()
        #expect(second.pin == first.pin)
        gateway.transport = LoopbackTransport(to: second.localEndpoints[0])
        #expect(try gateway.observe() == gateway.transport.address)
        try gateway.register()
        #expect(try gateway.refresh() != nil)
        try await second.stop()
    }

    /// A flood of everything from many addresses: what is kept has its bounds, nobody gets more than he sent, and a member is served.
    @Test func flood() async throws {
        let matchmaker = try await start()
        let gateway = try member(matchmaker)
        try gateway.takeTicket()
        try gateway.register()
        var random = RandomSource(seed: 9)
        for number in 0..<3_000 {
            let host = 0x7f00_0000 | UInt32(truncatingIfNeeded: random.below(0xff_fffe) + 1)
            let transport = LoopbackTransport(to: matchmaker.localEndpoints[0], from: host)
            let noise = (0..<1 + Int(random.below(1_500))).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            transport.send(noise)
            switch number % 3 {
            case 0: transport.send(try gateway.sealed([0x42, 1] + noise.prefix(1_170)))
            case 1: transport.send(try gateway.sealed([0x44, 1] + noise.prefix(1_170)))
            default: transport.send(try gateway.sealed(try gateway.refreshMessage()))
            }
            if number % 100 == 0 { #expect(try gateway.observe() == gateway.transport.address) }
        }
        #expect(try gateway.observe() == gateway.transport.address)
        let status = try await matchmaker.status()
        #expect(status.front.handshakes == 0 && status.front.server.registrations == 1)
        #expect(status.front.front.sentByteCount <= status.front.front.receivedByteCount)
        #expect(status.front.front.drops.values.reduce(0, +) > 0)
        try await matchmaker.stop()
    }

    // MARK: STUN

    /// One Binding request; the answer, and whether it came from where it was asked.
    private func bind(
        _ transport: LoopbackTransport, change: STUNChange? = nil
    ) throws -> STUNMessage {
        var request = STUNMessage(
            kind: .request,
            transaction: TransactionID(high: .random(in: .min ... .max), low: .random(in: .min ... .max)))
        request.changeRequest = change
        let bytes = [UInt8](capacity: 200) { request.write(to: &$0) }
        transport.send(bytes)
        let answer = try #require(transport.hear())
        #expect(answer.count <= bytes.count + STUNServer.maximumGrowth)
        let message = try STUNMessage(reading: answer.raw)
        #expect(message.transaction == request.transaction)
        return message
    }

    @Test func stunOnFourSockets() async throws {
        let first = ListenAddress(Endpoint(v4: 0x7f00_0b0b, port: 0))
        let matchmaker = try await start(
            MatchListen([first], alternates: [Endpoint(v4: 0x7f00_0b0c, port: 34_790 + UInt16.random(in: 0..<9_000))]))
        let sockets = matchmaker.localEndpoints
        try #require(sockets.count == 4)
        for (index, socket) in sockets.enumerated() {
            let transport = LoopbackTransport(to: socket)
            let answer = try bind(transport)
            #expect(answer.xorMappedAddress == transport.address)
            #expect(answer.responseOrigin == socket)
            #expect(answer.otherAddress == sockets[3 - index])
        }
        // An answer from elsewhere does not come through a connected socket: the one after it does.
        let transport = LoopbackTransport(to: sockets[0])
        var changed = STUNMessage(
            kind: .request,
            transaction: TransactionID(high: .random(in: .min ... .max), low: .random(in: .min ... .max)))
        changed.changeRequest = [.address, .port]
        transport.send([UInt8](capacity: 200) { changed.write(to: &$0) })
        #expect(try bind(transport).responseOrigin == sockets[0])
        #expect(try await matchmaker.status().front.front.stunAnswers == 6)
        try await matchmaker.stop()
    }

    /// Who knows the pin learns what its NAT does, and a stranger hears nothing (`serve_match`).
    @Test func stunUnderTheVeilAlone() async throws {
        let matchmaker = try await start(
            MatchListen([ListenAddress(Endpoint(v4: 0x7f00_0b0d, port: 0))], alternatePort: 0), answersSTUN: false)
        let sockets = matchmaker.localEndpoints
        try #require(sockets.count == 2)
        let veil = try MatchVeil(pin: matchmaker.pin, isMatchmaker: false)
        let transport = LoopbackTransport(to: sockets[0])
        var request = STUNMessage(kind: .request, transaction: TransactionID(high: 1, low: 2))
        let plain = [UInt8](capacity: 200) { request.write(to: &$0) }
        func sealed(_ request: STUNMessage) throws -> [UInt8] {
            let text = [UInt8](capacity: 200) { request.write(to: &$0) }
            let message = [UInt8](capacity: 200) { VeiledSTUN.write(request: text.raw, to: &$0) }
            return try veil.seal(message.raw)
        }
        func open(_ datagram: [UInt8]) throws -> STUNMessage {
            let opened = veil.open(datagram.raw)
            let message = try #require(opened)
            guard case .stunAnswer(let answer) = try MatchMessage(reading: message.raw) else { throw Unexpected() }
            let text = Array(message[answer.message.offset...].prefix(answer.message.count))
            return try STUNMessage(reading: text.raw)
        }
        transport.send(plain)
        let asked = try sealed(request)
        transport.send(asked)
        let datagram = try #require(transport.hear())
        let answer = try open(datagram)
        #expect(datagram.count <= asked.count)
        #expect(answer.xorMappedAddress == transport.address && answer.responseOrigin == sockets[0])
        // What differs in the port alone is told here; RFC 5780 has no word for it.
        #expect(answer.otherAddress == sockets[1])
        // The other socket's answer comes to one that is open for both.
        let other = LoopbackTransport(to: sockets[1])
        request.transaction = TransactionID(high: 3, low: 4)
        other.send(try sealed(request))
        #expect(try open(try #require(other.hear())).responseOrigin == sockets[1])
        let status = try await matchmaker.status().front.front
        #expect(status.stunAnswers == 2 && status.sent == 2 && status.drops == [.unopened: 1])
        try await matchmaker.stop()
    }

    private struct Unexpected: Error {}

    @Test func listensAsItIsTold() throws {
        let one = ListenAddress(Endpoint(v4: 0x7f00_0001, port: 3_478))
        let any = ListenAddress(anyAt: 3_478)
        let other = Endpoint(v4: 0x7f00_0002, port: 3_479)
        #expect(try MatchListen([any, one], alternates: [other]).sets().map(\.alternate) == [nil, other])
        #expect(throws: MatchListenError.self) { try MatchListen([any], alternates: [other]).sets() }
        #expect(throws: MatchListenError.self) { try MatchListen([one], alternates: [other.withPort(3_478)]).sets() }
        #expect(throws: MatchListenError.self) {
            try MatchListen([one], alternates: [Endpoint(v4: 0x7f00_0001, port: 3_479)]).sets()
        }
        #expect(throws: MatchListenError.self) { try MatchListen([]).sets() }
    }
}

extension Endpoint {
    /// The same port at another IPv4 address.
    func withAddress(_ host: UInt32) -> Endpoint { Endpoint(v4: host, port: port) }
}
