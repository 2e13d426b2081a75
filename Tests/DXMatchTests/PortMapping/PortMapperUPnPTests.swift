import DXWire
import Testing

@testable import DXMatch

/// The ways of UPnP routers, and whom a mapper believes.
@Suite struct PortMapperUPnPTests {
    private func rig(_ change: (inout SimulatedRouter) -> Void) -> PortMapRig {
        var router = SimulatedRouter([.upnp], now: .zero + .seconds(5_000))
        change(&router)
        return PortMapRig([], preferred: .upnp, router: router)
    }

    @Test func version1IsAskedForAPort() {
        var rig = rig { _ in }
        rig.run(for: .seconds(1))
        #expect(
            rig.router.asked.filter { $0 != "search" } == [
                "GET /rootDesc.xml", "GetExternalIPAddress", "AddPortMapping",
            ])
        rig.mapper.stop(now: rig.now)
        rig.run(for: .seconds(1))
        #expect(rig.router.asked.last == "DeletePortMapping" && rig.open.isEmpty)
    }

    @Test func version2IsAskedForAnyPort() {
        var rig = rig { $0.service = .ip2 }
        rig.router.taken = [7_700]
        rig.run(for: .seconds(1))
        #expect(rig.router.asked.suffix(2) == ["GetExternalIPAddress", "AddAnyPortMapping"])
        #expect(rig.open == [7_701: 7_700])
    }

    @Test func version2WithoutItsActionIsAskedAsVersion1() {
        var rig = rig {
            $0.service = .ip2
            $0.lacksAny = true
        }
        rig.run(for: .seconds(1))
        #expect(rig.router.asked.suffix(2) == ["AddAnyPortMapping", "AddPortMapping"])
        #expect(rig.open == [7_700: 7_700])
        rig.run(for: .seconds(700))
        #expect(rig.router.asked.filter { $0 == "AddAnyPortMapping" }.count == 1)
    }

    @Test func mappingsWithoutAnEndAreTakenAndDeleted() {
        var rig = rig { $0.permanentOnly = true }
        rig.run(for: .seconds(1))
        #expect(rig.open == [7_700: 7_700])
        #expect(rig.mapper.phase == .holding)
        rig.mapper.stop(now: rig.now)
        rig.run(for: .seconds(1))
        #expect(rig.open.isEmpty)
    }

    @Test func portsOfOthersAreNotFoughtForWithoutEnd() {
        var rig = rig { $0.taken = Set(0...UInt16.max) }
        rig.run(for: .seconds(12))
        #expect(rig.router.asked.filter { $0 == "AddPortMapping" }.count == 1 + UPnPClient.otherPorts)
        #expect(
            rig.events == [.unavailable(PortMappingReasons(pcp: .silent, natPMP: .silent, upnp: .noResources))])
    }

    @Test func aRestartedRouterIsLookedForAgain() {
        var rig = rig { _ in }
        rig.run(for: .seconds(1))
        rig.router.restart(now: rig.now)
        #expect(rig.router.httpPort == 5_001)
        rig.run(for: .seconds(620))
        #expect(rig.open == [7_700: 7_700])
        #expect(rig.events.last.map { if case .renewed = $0 { true } else { false } } == true)
    }

    // MARK: Trust

    @Test(arguments: [
        "http://192.168.1.2:5000/rootDesc.xml", "http://203.0.113.10:5000/rootDesc.xml", "http://router/rootDesc.xml",
        "https://192.168.1.1/rootDesc.xml", "http://192.168.1.1.evil.example/", "http://[::1]:5000/",
        "ftp://192.168.1.1/",
        "http://192.168.1.1:99999/",
    ])
    func placesElsewhereAreNotAsked(location: String) {
        var rig = rig { $0.location = location }
        rig.run(for: .seconds(12))
        #expect(rig.requestCount == 0)
        #expect(
            rig.events
                == [.unavailable(PortMappingReasons(pcp: .silent, natPMP: .silent, upnp: .untrustedLocation))])
    }

    @Test func whatComesFromStrangersIsDropped() {
        let stranger = Endpoint(v4: 0xc0a8_0102, port: 5_351)
        let answers: [(PortMappingProtocol, [UInt8])] = [
            (.pcp, PortMappingMessageTests.granted), (.natPMP, Hex.bytes("00 80 0000 00000064 cb00710a")),
            (.upnp, IGDTests.answer("http://192.168.1.2:5000/rootDesc.xml")),
        ]
        for (spoken, bytes) in answers {
            var rig = PortMapRig([], preferred: spoken)
            rig.pump()
            rig.mapper.receive(bytes.raw, from: stranger, now: rig.now)
            // The router's address, but not the server's port.
            if spoken != .upnp {
                rig.mapper.receive(bytes.raw, from: SimulatedRouter.inside.withPort(40_000), now: rig.now)
            }
            rig.mapper.receiveAnnouncement(bytes.raw, from: stranger, now: rig.now)
            rig.pump()
            #expect(rig.mapper.droppedCount == (spoken == .upnp ? 2 : 3))
            #expect(rig.events.isEmpty && rig.requestCount == 0)
        }
    }

    @Test func answersToOtherRequestsAreDropped() {
        var rig = PortMapRig([])
        rig.pump()
        // Another nonce, another protocol, another port; then the right one but for a TCP mapping.
        var other = PortMappingMessageTests.granted
        other.replaceSubrange(24..<36, with: Hex.bytes("000000000000000700000009"))
        var port = other
        port[41] = 0x15
        var tcp = other
        tcp[36] = 6
        for bytes in [PortMappingMessageTests.granted, port, tcp] {
            rig.mapper.receive(bytes.raw, from: SimulatedRouter.inside.withPort(5_351), now: rig.now)
        }
        rig.pump()
        #expect(rig.mapper.droppedCount == 3 && rig.events.isEmpty)
        rig.mapper.receive(other.raw, from: SimulatedRouter.inside.withPort(5_351), now: rig.now)
        rig.pump()
        #expect(rig.events.count == 1)
    }

    @Test func documentsThatCannotBeReadAreAReason() {
        let documents: [(PortMapperAnswer, PortMappingFailure)] = [
            (.failed, .requestFailed), (.answered(status: 404, body: []), .requestFailed),
            (.answered(status: 200, body: []), .malformed),
            (.answered(status: 200, body: [UInt8](repeating: 0x3c, count: 65_537)), .malformed),
            (.answered(status: 200, body: Array(IGDTests.description("").utf8)), .noService),
        ]
        for (answer, failure) in documents {
            var rig = rig { _ in }
            while let datagram = rig.mapper.pollTransmit(now: rig.now) {
                for (bytes, source) in rig.router.answers(to: datagram, now: rig.now) {
                    rig.mapper.receive(bytes.raw, from: source, now: rig.now)
                }
            }
            let request = rig.mapper.pollRequest()
            #expect(request?.method == "GET" && request?.body == [])
            rig.mapper.receive(answer, to: request?.number ?? 0, now: rig.now)
            rig.router.isOff = true
            rig.run(for: .seconds(10))
            #expect(rig.events == [.unavailable(PortMappingReasons(pcp: .silent, natPMP: .silent, upnp: failure))])
        }
    }

    // MARK: Noise

    @Test(arguments: 1...30) func noInputDoesHarm(seed: Int) {
        var random = RandomSource(seed: UInt64(seed))
        var rig = PortMapRig(Set(PortMappingProtocol.allCases.filter { _ in random.chance(0.5) }), seed: UInt64(seed))
        let samples = [
            PortMappingMessageTests.granted, Hex.bytes("00 80 0000 00000064 cb00710a"),
            Hex.bytes("00 81 0000 00000065 1e14 9c40 00000e10"), IGDTests.answer("http://192.168.1.1:5000/x"),
            Hex.bytes("02 80 00 00 00000000 00000007 000000000000000000000000"), Array(IGDTests.description("").utf8),
            IGDTests.fault(718), [],
        ]
        func noise() -> [UInt8] {
            var bytes = samples[Int(random.below(UInt64(samples.count)))]
            for _ in 0..<random.below(4) where !bytes.isEmpty {
                bytes[Int(random.below(UInt64(bytes.count)))] = UInt8(truncatingIfNeeded: random.next())
            }
            if random.chance(0.2) { bytes.removeLast(Int(random.below(UInt64(bytes.count + 1)))) }
            return bytes
        }
        for _ in 0..<400 {
            let bytes = noise()
            let source = random.chance(0.8) ? SimulatedRouter.inside.withPort(5_351) : SimulatedRouter.host
            switch random.below(5) {
            case 0, 1: rig.mapper.receive(bytes.raw, from: source, now: rig.now)
            case 2: rig.mapper.receiveAnnouncement(bytes.raw, from: source, now: rig.now)
            case 3:
                let status: UInt16 = random.chance(0.7) ? 200 : 500
                rig.mapper.receive(.answered(status: status, body: bytes), to: random.below(20), now: rig.now)
            default: rig.run(for: .milliseconds(Int64(random.below(200_000))))
            }
        }
        // Whatever it believes now, it still ends.
        rig.mapper.stop(now: rig.now)
        rig.run(for: .seconds(3))
        #expect(rig.mapper.phase == .stopped && rig.mapper.mappings.isEmpty)
    }
}
