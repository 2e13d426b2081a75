import DXSecure
import DXWire
import Testing

@testable import DXTunnel

/// Who is there, as members tell each other.
@Suite struct PresenceMapTests {
    /// Members in memory with channels between them, each of 10 ms; time goes from one event to the next.
    private struct Network {
        var maps: [PresenceMap]
        var tags: [PresenceTag]
        let keys: [PublicKey]
        var now = Instant(nanoseconds: 1_000_000_000)
        var channels: Set<[Int]> = []
        private var onTheWay: [(at: Instant, from: Int, to: Int, message: GroupMessage)] = []
        private(set) var byteCount = 0
        private(set) var messageCount = 0
        private var boots: UInt64 = 100

        init(_ count: Int) throws {
            keys = try (0..<count).map { try TestKeys.identity($0).publicKey }
            tags = try keys.map { PresenceTag(try #require($0.gatewayID)) }
            maps = []
            for number in 0..<count { maps.append(fresh(number)) }
        }

        private mutating func fresh(_ number: Int) -> PresenceMap {
            boots += 1
            var map = PresenceMap(own: tags[number], boot: boots, version: "1.\(number)")
            map.setMembers(Set(tags))
            return map
        }

        mutating func restart(_ number: Int) {
            for channel in channels where channel.contains(number) { disconnect(channel[0], channel[1]) }
            maps[number] = fresh(number)
        }

        mutating func connect(_ one: Int, _ other: Int) {
            channels.insert([min(one, other), max(one, other)])
            maps[one].connected(keys[other])
            maps[other].connected(keys[one])
            look(one)
            look(other)
        }

        mutating func disconnect(_ one: Int, _ other: Int) {
            channels.remove([min(one, other), max(one, other)])
            maps[one].disconnected(keys[other])
            maps[other].disconnected(keys[one])
            onTheWay.removeAll { [min($0.from, $0.to), max($0.from, $0.to)] == [min(one, other), max(one, other)] }
            look(one)
            look(other)
        }

        private mutating func look(_ number: Int) {
            let links = channels.filter { $0.contains(number) }.map { channel in
                PresenceNote.Link(member: tags[channel[0] == number ? channel[1] : channel[0]], kind: .lan)
            }
            maps[number].setLinks(now, links, calendar: UInt64(now.nanoseconds / 1_000_000_000))
        }

        /// Runs until nothing happens any more, or for so long.
        mutating func run(for time: Interval = .seconds(300)) throws {
            let end = now + time
            while true {
                try transmit()
                let next = (maps.compactMap(\.nextDeadline) + onTheWay.map(\.at)).min() ?? end
                guard next < end else { break }
                now = max(now, next)
                for index in maps.indices { maps[index].tick(now: now) }
                for item in onTheWay.filter({ $0.at <= now }) {
                    maps[item.to].receive(item.message, from: keys[item.from], now: now)
                }
                onTheWay.removeAll { $0.at <= now }
            }
            now = end
        }

        private mutating func transmit() throws {
            for channel in channels.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
                for (from, to) in [(channel[0], channel[1]), (channel[1], channel[0])] {
                    while let message = maps[from].pollMessage(to: keys[to]) {
                        let bytes = message.encoded
                        byteCount += bytes.count
                        messageCount += 1
                        var reader = unsafe ByteReader(bytes.span.bytes)
                        let read = try GroupMessage(reading: &reader, group: GroupID(rootKey: keys[0]))
                        #expect(read == message)
                        onTheWay.append((now + .milliseconds(10), from, to, read))
                    }
                }
            }
        }

        func online(_ number: Int) -> [Int] {
            let hops = maps[number].hops()
            return tags.indices.filter { hops[tags[$0]] != nil }
        }
    }

    /// In a chain, where all news goes from one to the next.
    @Test func allLearnWhoIsThere() throws {
        var network = try Network(6)
        for number in 0..<5 { network.connect(number, number + 1) }
        try network.run()
        for number in 0..<6 { #expect(network.online(number) == [0, 1, 2, 3, 4, 5]) }
        #expect(network.maps[0].hops()[network.tags[5]] == 5)
        #expect(network.maps[0].notes[network.tags[5]]?.version == "1.5")
    }

    @Test func nothingIsSaidWhileNothingChanges() throws {
        var network = try Network(6)
        for number in 0..<5 { network.connect(number, number + 1) }
        try network.run()
        let count = network.messageCount
        try network.run(for: .seconds(86_400))
        #expect(network.messageCount == count)
    }

    /// What it itself had said counts for nothing once the others speak of it no more.
    @Test func whoVanishesIsMissed() throws {
        var network = try Network(6)
        for number in 0..<5 { network.connect(number, number + 1) }
        network.connect(0, 5)
        try network.run()
        let time = UInt64(network.now.nanoseconds / 1_000_000_000)
        network.disconnect(2, 3)
        network.disconnect(3, 4)
        try network.run(for: .seconds(15))
        for number in [0, 1, 2, 4, 5] {
            #expect(network.online(number) == [0, 1, 2, 4, 5])
            #expect(network.maps[number].lastHeard(network.tags[3]) == time)
        }
        #expect(network.online(3) == [3])
        network.connect(3, 4)
        try network.run(for: .seconds(15))
        for number in 0..<6 { #expect(network.online(number) == [0, 1, 2, 3, 4, 5]) }
    }

    /// It begins to count anew, and others still pass on what it said before; nobody takes it for two.
    @Test func whoRestartsIsBelievedAgain() throws {
        var network = try Network(4)
        for number in 0..<3 { network.connect(number, number + 1) }
        for _ in 0..<5 {
            network.connect(0, 3)
            try network.run(for: .seconds(30))
            network.disconnect(0, 3)
            try network.run(for: .seconds(30))
        }
        network.restart(1)
        try network.run(for: .seconds(30))
        #expect(network.online(0) == [0])
        network.connect(1, 2)
        network.connect(1, 0)
        try network.run(for: .seconds(30))
        for number in 0..<4 { #expect(network.online(number) == [0, 1, 2, 3]) }
        #expect(network.maps.allSatisfy { $0.twinHeardAt == nil })
    }

    @Test func partsThatMeetTellEachOther() throws {
        var network = try Network(6)
        network.connect(0, 1)
        network.connect(1, 2)
        network.connect(3, 4)
        network.connect(4, 5)
        for (number, epoch) in [(0, 7), (5, 9)] { network.maps[number].setReached(UInt64(epoch), now: network.now) }
        try network.run()
        #expect(network.online(0) == [0, 1, 2])
        network.connect(2, 3)
        try network.run()
        for number in 0..<6 {
            #expect(network.online(number) == [0, 1, 2, 3, 4, 5])
            #expect(network.maps[number].reached[network.tags[0]] == 7)
            #expect(network.maps[number].reached[network.tags[5]] == 9)
        }
    }

    /// Two gateways with one key contradict each other; both find out, and do it once a minute.
    @Test func twoWithOneKeyFindOut() throws {
        var network = try Network(5)
        network.tags[4] = network.tags[0]
        network.restart(4)
        network.connect(0, 1)
        network.connect(1, 2)
        network.connect(2, 3)
        network.connect(3, 4)
        try network.run(for: .seconds(120))
        #expect(network.maps[0].twinHeardAt != nil && network.maps[4].twinHeardAt != nil)
        let count = network.messageCount
        try network.run(for: .seconds(600))
        #expect(network.messageCount - count < 200, "\(network.messageCount - count)")
        network.disconnect(3, 4)
        try network.run(for: .seconds(1_300))
        network.connect(1, 3)
        try network.run(for: .seconds(1_300))
        #expect(network.maps[0].twinHeardAt == nil)
    }

    /// A removal in a group of many: who has heard is known with a few bytes from each.
    @Test func reachedIsCheap() throws {
        var network = try Network(10)
        for number in 0..<10 { for step in [1, 3] { network.connect(number, (number + step) % 10) } }
        try network.run()
        let bytes = network.byteCount
        for number in 0..<10 { network.maps[number].setReached(2, now: network.now) }
        try network.run()
        for map in network.maps { #expect(network.tags.allSatisfy { map.reached[$0] == 2 }) }
        #expect(network.byteCount - bytes < 10 * 10 * 4 * 12, "\(network.byteCount - bytes)")
    }

    /// One that makes up what others say, or speaks of members that there are not, fills nothing.
    @Test func aHostileMemberIsBounded() throws {
        var network = try Network(3)
        network.connect(0, 1)
        network.connect(1, 2)
        try network.run()
        let time = network.now
        for number in 0..<10_000 as Range<UInt64> {
            let stranger = PresenceNote(origin: PresenceTag(value: number), boot: 1, sequence: 1, version: "x")
            var forged = PresenceNote(origin: network.tags[2], boot: 1, sequence: 1_000 + number, version: "x")
            forged.links = [.init(member: PresenceTag(value: number), kind: .direct)]
            network.maps[1].receive(.presence([stranger, forged]), from: network.keys[0], now: time)
        }
        #expect(network.maps[1].notes.count <= 3 + PresenceMap.mostStrangers)
        #expect(network.maps[1].notes[network.tags[2]]?.sequence ?? 0 < 1_010)
        #expect(network.maps[1].dropped > 9_000)
        // The one that was spoken of says that it is otherwise.
        try network.run()
        #expect(network.maps[1].notes[network.tags[2]]?.version == "1.2")
        #expect(network.online(0) == [0, 1, 2])
    }

    @Test func notesBeyondTheirLimitsAreRefused() throws {
        var note = PresenceNote(origin: PresenceTag(value: 1), boot: 2, sequence: 3, version: "1.0")
        note.links = (0...UInt64(PresenceNote.mostLinks)).map { .init(member: PresenceTag(value: $0), kind: .direct) }
        let bytes = GroupMessage.presence([note]).encoded
        #expect(throws: DecodeError.self) {
            var reader = unsafe ByteReader(bytes.span.bytes)
            _ = try GroupMessage(reading: &reader, group: GroupID(rootKey: TestKeys.identity(0).publicKey))
        }
    }
}
