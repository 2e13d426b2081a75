import DXMatch
import DXWire
import Testing

/// Members that find each other in one network.
@Suite struct LANDiscoveryTests {
    /// Gateways on one wire, which carries everything at once.
    private struct Wire {
        var machines: [LANDiscovery]
        let addresses: [Endpoint]
        var now = Instant.zero + .seconds(1_000)
        /// Who was found by whom, and where.
        var found: [Int: [GatewayID: Set<Endpoint>]] = [:]
        /// All that went over the wire: from where, to where (nil: to all).
        var sent: [(from: Int, message: [UInt8], to: Endpoint?, at: Instant)] = []

        init(_ count: Int, seed: UInt64 = 1) throws {
            let ids = try (0..<count).map { try Self.id($0) }
            let start = now
            addresses = (0..<count).map { Endpoint(v4: 0x0a00_0001 + UInt32($0), port: 40_000) }
            machines = ids.enumerated().map { index, id in
                LANDiscovery(
                    own: id, boot: 100 + UInt64(index), port: 7_000 + UInt16(index),
                    random: RandomSource(seed: seed + UInt64(index)), now: start)
            }
            for index in machines.indices { machines[index].setMembers(Set(ids).subtracting([ids[index]])) }
        }

        static func id(_ number: Int) throws -> GatewayID {
            var bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: number &>> 8), count: 32)
            bytes[0] = UInt8(truncatingIfNeeded: number)
            var reader = unsafe ByteReader(bytes.span.bytes)
            return try GatewayID(reading: &reader)
        }

        mutating func run(for time: Interval) {
            let end = now + time
            pump()
            while let next = machines.map(\.nextTimeout).min(), next <= end {
                now = max(now, next)
                for index in machines.indices { machines[index].timeoutFired(now: now) }
                pump()
            }
            now = end
        }

        private mutating func pump() {
            var isBusy = true
            while isBusy {
                isBusy = false
                for index in machines.indices {
                    while let transmit = machines[index].pollTransmit(now: now) {
                        isBusy = true
                        sent.append((index, transmit.message, transmit.destination, now))
                        deliver(transmit.message, from: addresses[index], to: transmit.destination)
                    }
                    while let event = machines[index].pollEvent() {
                        guard case .found(let member, let endpoint) = event else { continue }
                        found[index, default: [:]][member, default: []].insert(endpoint)
                    }
                }
            }
        }

        mutating func deliver(_ message: [UInt8], from source: Endpoint, to destination: Endpoint?, isNear: Bool = true)
        {
            for index in machines.indices where destination == nil || destination == addresses[index] {
                machines[index].receive(
                    unsafe message.span.bytes, from: source, isNear: isNear, key: 7, now: now)
            }
        }
    }

    /// Both learn of each other within two seconds, although one only wants the other.
    @Test(arguments: 0..<20 as Range<UInt64>) func whoIsWantedIsFound(seed: UInt64) throws {
        var wire = try Wire(3, seed: seed)
        wire.machines[0].setWanted([wire.machines[1].own], now: wire.now)
        wire.run(for: .seconds(2))
        #expect(wire.found[0] == [wire.machines[1].own: [wire.addresses[1].withPort(7_001)]])
        #expect(wire.found[1] == [wire.machines[0].own: [wire.addresses[0].withPort(7_000)]])
        // The third is there, and nobody's business.
        #expect(wire.found[2] == nil)
        #expect(wire.machines[2].endpoints(of: wire.machines[0].own, now: wire.now).count == 1)
    }

    /// One that is wanted only later was heard before, and needs no datagram.
    @Test func whoWasHeardIsKnown() throws {
        var wire = try Wire(2)
        wire.run(for: .seconds(10))
        #expect(wire.found.isEmpty)
        let count = wire.sent.count
        wire.machines[0].setWanted([wire.machines[1].own], now: wire.now)
        let event = wire.machines[0].pollEvent()
        #expect(event == .found(wire.machines[1].own, at: wire.addresses[1].withPort(7_001)))
        #expect(wire.sent.count == count)
    }

    @Test func idleGatewaysHardlySpeak() throws {
        var wire = try Wire(2)
        wire.run(for: .seconds(3_600))
        // Three at first, then one in 225 to 300 s each, and no answers.
        for index in 0..<2 {
            let count = wire.sent.count { $0.from == index }
            #expect((3 + 12...3 + 16).contains(count), "\(count)")
        }
        #expect(wire.sent.allSatisfy { $0.to == nil })
    }

    /// Somebody who is not there is looked for, but not for ever at the same pace.
    @Test func searchesSlowDown() throws {
        var wire = try Wire(1)
        let absent = try Wire.id(9)
        wire.machines[0].setMembers([absent])
        wire.machines[0].setWanted([absent], now: wire.now)
        wire.run(for: .seconds(86_400))
        let times = wire.sent.map(\.at)
        #expect(times.filter { $0 < times[0] + .seconds(60) }.count >= 6)
        #expect(times.count < 400)
    }

    /// However often the network changes or a member is wanted, there is one row of three in ten seconds.
    @Test func hurryIsLimited() throws {
        var wire = try Wire(1)
        let others = Set(try (1..<5).map { try Wire.id($0) })
        wire.machines[0].setMembers(others)
        for second in 0..<600 {
            wire.machines[0].networkChanged(now: wire.now)
            wire.machines[0].setWanted(second % 2 == 0 ? others : [], now: wire.now)
            wire.run(for: .seconds(1))
        }
        #expect(wire.sent.count <= 3 * 61)
    }

    // MARK: Hostile

    /// What was recorded and is sent again does nothing at all, whatever address it seems to come from.
    @Test func aReplayIsSilent() throws {
        var wire = try Wire(3)
        wire.machines[0].setWanted([wire.machines[1].own], now: wire.now)
        wire.run(for: .seconds(10))
        let recorded = wire.sent
        let victim = Endpoint(v4: 0x0a00_00c8, port: 53)
        wire.sent = []
        wire.found = [:]
        for _ in 0..<3 {
            for datagram in recorded { wire.deliver(datagram.message, from: victim, to: datagram.to) }
        }
        let start = wire.now
        wire.run(for: .seconds(1))
        let places = wire.found.values.flatMap { $0.values.flatMap { $0 } }
        #expect(!places.contains { $0.hasSameAddress(as: victim) })
        #expect(wire.machines.map(\.statistics.replayed).reduce(0, +) >= 6)
        #expect(wire.sent.allSatisfy { $0.at >= start && $0.to != victim })
    }

    /// Announcements of starts long ago, which a restarted gateway has not heard: an answer in two seconds for each member, and no byte
    /// more than came.
    @Test func oldStartsAreNoAmplifier() throws {
        var wire = try Wire(1)
        let peer = try Wire.id(1)
        wire.machines[0].setMembers([peer])
        wire.machines[0].setWanted([peer], now: wire.now)
        wire.run(for: .seconds(5))
        wire.sent = []
        let victim = Endpoint(v4: 0x0a00_00c8, port: 53)
        for round in 0..<1_000 {
            let old = LANMessage(
                sender: peer, boot: UInt64(round % 9), counter: 1, port: 7_001, body: .announcement(wanted: nil))
            wire.deliver(old.bytes, from: victim, to: nil)
            wire.run(for: .milliseconds(10))
        }
        let answers = wire.sent.filter { $0.to == victim }
        #expect(answers.count <= 6 && answers.allSatisfy { $0.message.count == LANMessage.byteCount })
        #expect((wire.found[0]?[peer] ?? []).count <= 1)
    }

    @Test func strangersAndFarOnesGetNothing() throws {
        var wire = try Wire(2)
        wire.machines[0].setWanted([wire.machines[1].own], now: wire.now)
        wire.run(for: .seconds(5))
        wire.sent = []
        wire.found = [:]
        let source = Endpoint(v4: 0x0a00_00c8, port: 53)
        let stranger = LANMessage(
            sender: try Wire.id(77), boot: 1, counter: 1, port: 9, body: .announcement(wanted: nil))
        wire.deliver(stranger.bytes, from: source, to: nil)
        let far = LANMessage(
            sender: wire.machines[1].own, boot: 101, counter: 1_000, port: 9, body: .announcement(wanted: nil))
        wire.deliver(far.bytes, from: source, to: nil, isNear: false)
        // An answer to something that was never said, or long ago.
        let answer = LANMessage(
            sender: wire.machines[1].own, boot: 101, counter: 1_001, port: 9, body: .answer(boot: 100, counter: 500))
        wire.deliver(answer.bytes, from: source, to: nil)
        let late = LANMessage(
            sender: wire.machines[1].own, boot: 101, counter: 1_002, port: 9, body: .answer(boot: 100, counter: 1))
        wire.now += .seconds(60)
        wire.deliver(late.bytes, from: source, to: nil)
        let event = wire.machines[0].pollEvent()
        let transmit = wire.machines[0].pollTransmit(now: wire.now)
        #expect(event == nil && transmit == nil)
        let counts = wire.machines[0].statistics
        #expect(counts.strangers == 1 && counts.far == 1 && counts.late == 2)
    }

    /// A thousand members power on together, and each wants more than it can name: all answer, spread, and no faster than the limit.
    @Test func aLargeNetworkDoesNotShoutAtOnce() throws {
        var wire = try Wire(60)
        let ids = Set(wire.machines.map(\.own))
        wire.machines[0].setWanted(ids.subtracting([wire.machines[0].own]), now: wire.now)
        wire.run(for: .seconds(2))
        #expect(wire.found[0]?.count == 59)
        let answers = wire.sent.filter { $0.to != nil }
        #expect(answers.count <= 59 * 2)
    }

    /// Whatever comes under the group's key, the machine stays within its limits and never traps.
    @Test func noiseUnderTheKey() throws {
        var random = RandomSource(seed: 42)
        var wire = try Wire(1)
        let ids = try (1..<2_000).map { try Wire.id($0) }
        wire.machines[0].setMembers(Set(ids))
        wire.machines[0].setWanted(Set(ids.prefix(20)), now: wire.now)
        for _ in 0..<20_000 {
            let id = ids[Int(random.below(UInt64(ids.count)))]
            var bytes = LANMessage(
                sender: id, boot: random.below(20), counter: random.below(50), port: UInt16(random.below(3)),
                body: random.below(2) == 0
                    ? .announcement(wanted: nil) : .answer(boot: 100, counter: random.below(20))
            ).bytes
            if random.below(4) == 0 { bytes[Int(random.below(120))] = UInt8(random.below(256)) }
            wire.deliver(bytes, from: Endpoint(v4: UInt32(random.below(1 << 32)), port: 1), to: nil)
            wire.run(for: .milliseconds(Int64(random.below(20))))
        }
        #expect(wire.machines[0].neighbourCount(now: wire.now) <= 1_024)
        // 20 answers a second and 40 more.
        #expect(wire.sent.count { $0.to != nil } <= 40 + 20 * 200 + 20)
    }

    @Test func tooManyDatagramsAreNotOpened() throws {
        var wire = try Wire(1)
        let opened = (0..<10_000).count { _ in wire.machines[0].mayOpen(now: wire.now) }
        #expect(opened == 500)
        #expect(wire.machines[0].statistics.limited == 9_500)
    }
}
