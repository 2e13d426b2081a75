import DXWire
import Testing

@testable import DXTunnel

@Suite struct IdleTableTests {
    private static func at(_ seconds: Int64) -> Instant { .zero + .seconds(seconds) }

    @Test func entriesGoInTheOrderOfTheirLastUse() {
        var table = IdleTable<Int, String>(idleTimeout: .seconds(10))
        #expect(table.nextDeadline == nil && table.isEmpty)
        for key in 1...3 { table.insert("\(key)", for: key, now: Self.at(Int64(key))) }
        #expect(table.use(1, now: Self.at(4)) == "1" && table.use(9, now: Self.at(4)) == nil)
        #expect(table.values == ["2", "3", "1"])
        #expect(table.nextDeadline == Self.at(12))
        #expect(table.removeIdle(now: Self.at(11)) == nil)
        #expect(table.removeIdle(now: Self.at(13)) == "2")
        #expect(table.removeIdle(now: Self.at(13)) == "3")
        #expect(table.removeIdle(now: Self.at(13)) == nil)
        #expect(table.nextDeadline == Self.at(14) && table.count == 1)
        table.idleTimeout = .seconds(5)
        #expect(table.nextDeadline == Self.at(9))
    }

    /// At the limit whoever is idle longest goes, unless it was in use a moment ago.
    @Test func theOldestGivesWayOnlyWhenIdle() {
        var table = IdleTable<Int, Int>(idleTimeout: .seconds(60))
        table.insert(1, for: 1, now: Self.at(0))
        table.insert(2, for: 2, now: Self.at(1))
        #expect(table.removeOldest(idleFor: .seconds(3), now: Self.at(2)) == nil)
        #expect(table.removeOldest(idleFor: .seconds(3), now: Self.at(3)) == 1)
        #expect(table.removeOldest(idleFor: .seconds(3), now: Self.at(3)) == nil)
        let gone = table.removeAll { _ in true }
        #expect(gone == [2] && table.isEmpty)
        #expect(table.removeOldest(idleFor: .zero, now: Self.at(9)) == nil)
    }

    /// Against a list of pairs that does the same in the plainest way.
    @Test func isAsAPlainList() {
        var random = RandomSource(seed: 77)
        var table = IdleTable<Int, Int>(idleTimeout: .seconds(20))
        var plain: [(key: Int, usedAt: Instant)] = []
        for step in 0..<20_000 as Range<Int64> {
            let (now, key) = (Self.at(step / 4), Int(random.below(40)))
            switch random.below(5) {
            case 0, 1:
                let index = plain.firstIndex { $0.key == key }
                #expect((table.use(key, now: now) == key) == (index != nil))
                if let index {
                    plain.remove(at: index)
                } else {
                    table.insert(key, for: key, now: now)
                }
                plain.append((key, now))
            case 2:
                let index = plain.firstIndex { $0.key == key }
                #expect((table.remove(key) != nil) == (index != nil))
                if let index { plain.remove(at: index) }
            case 3:
                let gone = table.removeIdle(now: now)
                let first = plain.first.flatMap { $0.usedAt + .seconds(20) <= now ? $0.key : nil }
                #expect(gone == first)
                if first != nil { plain.removeFirst() }
            default:
                guard random.chance(0.01) else { break }
                let gone = table.removeAll { $0 % 3 == 0 }
                #expect(Set(gone) == Set(plain.map(\.key).filter { $0 % 3 == 0 }))
                plain.removeAll { $0.key % 3 == 0 }
            }
            #expect(table.count == plain.count && table.nextDeadline == plain.first.map { $0.usedAt + .seconds(20) })
            if step % 100 == 0 { #expect(table.values == plain.map(\.key)) }
        }
    }
}
