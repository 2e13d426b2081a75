import DXWire
import Testing

@testable import DXTunnel

/// SRV records: what an answer says, whatever its bytes are, and in which order places are tried (RFC 2782).
@Suite struct ServiceRecordTests {
    /// A name as DNS writes it.
    private static func name(_ text: String) -> [UInt8] {
        text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }

    private static func two(_ number: Int) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 255)] }

    /// A record of the name that was asked for, in an answer of `answer`.
    private static func record(type: Int = 33, class kind: Int = 1, _ data: [UInt8]) -> [UInt8] {
        [0xc0, 12] + two(type) + two(kind) + [0, 0, 0, 60] + two(data.count) + data
    }

    private static func srv(_ priority: Int, _ weight: Int, _ port: Int, _ target: [UInt8]) -> [UInt8] {
        record(two(priority) + two(weight) + two(port) + target)
    }

    private static func answer(_ records: [[UInt8]], count: Int? = nil) -> [UInt8] {
        [0, 7, 0x81, 0x80, 0, 1] + two(count ?? records.count) + [0, 0, 0, 0] + name("_dxmatch._udp.example.org") + [
            0, 33, 0, 1,
        ]
            + records.flatMap(\.self)
    }

    private static func place(_ host: String, _ port: UInt16) -> HostAddress { HostAddress(host: host, port: port) }

    @Test func anAnswerIsRead() {
        let found = ServiceRecord.read(
            Self.answer([
                Self.srv(10, 5, 3_478, Self.name("m1.example.org")),
                // An alias, a record of another class, a target that is a pointer to the middle of the name that was asked for.
                Self.record(type: 5, Self.name("alias.example.org")),
                Self.record(class: 3, Self.two(1) + Self.two(1) + Self.two(1) + Self.name("m9.example.org")),
                Self.srv(20, 0, 3_500, [2] + Array("m2".utf8) + [0xc0, 26]),
            ]))
        #expect(
            found == [
                ServiceRecord(priority: 10, weight: 5, place: Self.place("m1.example.org", 3_478)),
                ServiceRecord(priority: 20, weight: 0, place: Self.place("m2.example.org", 3_500)),
            ])
    }

    @Test func aDotSaysThatThereIsNone() {
        let found = ServiceRecord.read(Self.answer([Self.srv(0, 0, 0, [0])]))
        #expect(found == [ServiceRecord(priority: 0, weight: 0, place: nil)])
        var random = RandomSource(seed: 1)
        #expect(ServiceRecord.places(found ?? [], maximum: 8, random: &random).isEmpty)
    }

    /// What no host is called, an address, a port that nothing is at.
    @Test(arguments: ["a b.example", "evil\n.example", "192.0.2.1", "-x.example", "a/b"])
    func targetsThatAreNoHostsAreLeftOut(_ target: String) {
        let found = ServiceRecord.read(
            Self.answer([
                Self.srv(0, 0, 3_478, Self.name(target)), Self.srv(0, 0, 0, Self.name("m1.example")),
                Self.srv(0, 0, 1, Self.name("m2.example")),
            ]))
        #expect(found?.map(\.place) == [Self.place("m2.example", 1)])
    }

    @Test func noMoreThanThirtyTwoAreRead() {
        let records = (0..<200).map { Self.srv($0, 0, 3_478, Self.name("m\($0).example")) }
        #expect(ServiceRecord.read(Self.answer(records))?.count == 32)
    }

    /// Pointers that run in circles, counts and lengths that lie, anything cut off anywhere: no trap, and nothing that is not there.
    @Test func hostileAnswersAreAnsweredByNothing() {
        #expect(ServiceRecord.read([]) == nil)
        let loop = Self.answer([Self.srv(0, 0, 1, [0xc0, 0xff]), Self.srv(0, 0, 1, Self.name("m.example"))])
        #expect((ServiceRecord.read(loop) ?? []).allSatisfy { $0.place == Self.place("m.example", 1) })
        let good = Self.answer([Self.srv(1, 2, 3, Self.name("m.example")), Self.srv(1, 2, 4, Self.name("m.example"))])
        for count in good.indices { #expect((ServiceRecord.read(Array(good[..<count])) ?? []).count < 2) }
        #expect(ServiceRecord.read(Self.answer([Self.srv(1, 2, 3, Self.name("m.example"))], count: 60_000)) == nil)
        #expect(ServiceRecord.read(Self.answer([Self.record(Self.two(1) + Self.two(2))])) == [])
        var random = RandomSource(seed: 0x51)
        var read = 0
        for _ in 0..<20_000 {
            var bytes = good
            for _ in 0...random.below(6) {
                bytes[Int(random.below(UInt64(bytes.count)))] = UInt8(truncatingIfNeeded: random.next())
            }
            for record in ServiceRecord.read(bytes) ?? [] {
                read += 1
                if let place = record.place { #expect((try? place.check()) != nil && place.port != 0) }
            }
        }
        #expect(read > 1_000)
    }

    // MARK: The order

    @Test func lowerPrioritiesComeFirst() {
        let records = [30, 10, 20].map {
            ServiceRecord(priority: $0, weight: 1, place: Self.place("m\($0).example", 1))
        }
        var random = RandomSource(seed: 2)
        let places = ServiceRecord.places(records, maximum: 8, random: &random)
        #expect(places.map(\.host) == ["m10.example", "m20.example", "m30.example"])
    }

    @Test func weightsAreParts() {
        let records = [(0, "none"), (1, "little"), (3, "much")].map {
            ServiceRecord(priority: 0, weight: $0.0, place: Self.place($0.1, 1))
        }
        var random = RandomSource(seed: 3)
        var first: [String: Int] = [:]
        for _ in 0..<10_000 {
            let places = ServiceRecord.places(records, maximum: 8, random: &random)
            #expect(Set(places.map(\.host)) == ["none", "little", "much"])
            first[places[0].host, default: 0] += 1
        }
        // Of the lots 0 to 4 one is for what has no weight, one and three for the others.
        #expect((1_800...2_200).contains(first["none"] ?? 0))
        #expect((1_800...2_200).contains(first["little"] ?? 0))
        #expect((5_700...6_300).contains(first["much"] ?? 0))
    }

    @Test func noMoreAreTriedThanAreWanted() {
        let records = (0..<32).map {
            ServiceRecord(priority: UInt16($0 / 4), weight: .max, place: Self.place("m\($0).example", 1))
        }
        var random = RandomSource(seed: 4)
        let places = ServiceRecord.places(records, maximum: 8, random: &random)
        #expect(Set(places.map(\.host)) == Set((0..<8).map { "m\($0).example" }) && places.count == 8)
        let same = [ServiceRecord](repeating: records[0], count: 5)
        #expect(ServiceRecord.places(same, maximum: 8, random: &random).count == 1)
    }
}
