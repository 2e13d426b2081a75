import DXWire
import Testing

@testable import DXTunnel

@Suite struct DestinationChoiceTests {
    private typealias End = GatewayConfiguration.Destination

    /// Destinations that are all there.
    private func choice(
        _ ends: [GatewayConfiguration.Destination], isSticky: Bool = false,
        failback: DestinationChoice.Failback = .after(.seconds(30)), now: Instant = .zero
    ) -> DestinationChoice {
        var choice = DestinationChoice(ends, isSticky: isSticky, failback: failback)
        for end in ends { choice.change(end.gateway, now: now) { $0.isPresent = true } }
        return choice
    }

    private let pair = [End(gateway: "a"), End(gateway: "b")]
    private func time(_ seconds: Int64) -> Instant { .zero + .seconds(seconds) }

    @Test func theLowestOrderThatServesIsUsed() {
        var choice = choice(pair)
        #expect(choice.choose(now: time(0)) == "a")
        choice.change("a", now: time(1)) { $0.target = .down }
        #expect(choice.choose(now: time(1)) == "b")
        #expect(choice.choose(only: "a", now: time(1)) == "a")
        #expect(choice.choose(excluding: ["b"], now: time(1)) == "a")
        #expect(choice.choose(excluding: ["a", "b"], now: time(1)) == nil)
    }

    @Test func weightsShareOutOneOrder() {
        var choice = choice([
            End(gateway: "a", order: 0, weight: 3), End(gateway: "b", order: 0, weight: 1),
            End(gateway: "c", order: 1),
        ])
        var counts: [String: Int] = [:]
        for _ in 0..<16 { counts[choice.choose(now: time(0))!, default: 0] += 1 }
        #expect(counts == ["a": 12, "b": 4])
        // A record may say any number.
        let heavy = (0..<4).map { End(gateway: "\($0)", order: 0, weight: UInt64.max >> UInt64($0)) }
        choice = self.choice(heavy)
        #expect(Set((0..<4).map { _ in choice.choose(now: time(0)) }).count == 4)
    }

    /// Silence, a dead target, a channel that is gone, a peer that leaves: new connections go elsewhere; when all are so, the least
    /// bad is tried.
    @Test func whatIsLeastBadIsTried() {
        var choice = choice(pair)
        choice.change("a", now: time(1)) { $0.isHeard = false }
        #expect(choice.choose(now: time(1)) == "b")
        choice.change("b", now: time(2)) { $0.target = .down }
        #expect(choice.choose(now: time(2)) == "a")
        choice.change("a", now: time(3)) { $0.isPresent = false }
        #expect(choice.choose(now: time(3)) == "b")
        choice.change("b", now: time(4)) { $0.isLeaving = true }
        #expect(choice.choose(now: time(4)) == nil)
    }

    /// One that fails while another can serve is a failover; the last one that fails, and one that leaves in good order, are none.
    @Test func failoversAreCounted() {
        var choice = choice(pair)
        #expect(choice.failovers == 0)
        choice.change("a", now: time(1)) { $0.isHeard = false }
        #expect(choice.failovers == 1)
        choice.change("b", now: time(2)) { $0.target = .down }
        choice.change("a", now: time(3)) { $0.isHeard = true }
        choice.change("b", now: time(4)) { $0.target = .up }
        choice.change("b", now: time(5)) { $0.isLeaving = true }
        #expect(choice.failovers == 1)
    }

    /// A spare one that fails, and one that is not trusted again yet, had no connections that go elsewhere now; one of several of the
    /// lowest order had.
    @Test func whatMovesNobodyIsNoFailover() {
        var choice = choice([
            End(gateway: "a", order: 0), End(gateway: "b", order: 0), End(gateway: "c", order: 1),
        ])
        choice.change("c", now: time(1)) { $0.target = .down }
        #expect(choice.failovers == 0)
        choice.change("a", now: time(2)) { $0.isHeard = false }
        #expect(choice.failovers == 1)
        choice.change("a", now: time(3)) { $0.isHeard = true }
        choice.change("a", now: time(4)) { $0.isHeard = false }
        #expect(choice.failovers == 1)
        choice.change("c", now: time(5)) { $0.target = .up }
        choice.change("b", now: time(100)) { $0.isPresent = false }
        #expect(choice.failovers == 2)
    }

    @Test func tellsWhetherOneCameToBeUsable() {
        var choice = choice(pair)
        let changed = [
            choice.change(at: 1, now: time(1)) { $0.target = .down },
            choice.change(at: 1, now: time(2)) { $0.isHeard = false },
            choice.change(at: 1, now: time(3)) { $0.target = .up },
            choice.change(at: 1, now: time(4)) { $0.isHeard = true },
        ]
        #expect(changed == [true, false, false, true])
        #expect(choice["a"]?.isUsable == true && choice["b"]?.usableSince == time(4))
    }

    @Test func aDestinationThatCameBackIsUsedAfterAWhile() {
        var choice = choice(pair)
        choice.change("a", now: time(10)) { $0.isHeard = false }
        choice.change("a", now: time(12)) { $0.isHeard = true }
        #expect(choice.choose(now: time(41)) == "b")
        #expect(choice.wait(choice["a"]!, now: time(41)) == .seconds(1))
        #expect(choice.choose(now: time(42)) == "a")
        // It failed again: twice as long.
        choice.change("a", now: time(50)) { $0.isHeard = false }
        choice.change("a", now: time(50)) { $0.isHeard = true }
        #expect(choice.choose(now: time(109)) == "b")
        #expect(choice.choose(now: time(110)) == "a")
        // Long after, it is as at first.
        choice.change("a", now: time(1_000)) { $0.isHeard = false }
        choice.change("a", now: time(1_000)) { $0.isHeard = true }
        #expect(choice.choose(now: time(1_029)) == "b")
        #expect(choice.choose(now: time(1_030)) == "a")
    }

    /// One that recovers is used at once when no other serves, and is trusted from then on.
    @Test func whoServesAloneIsTrusted() {
        var choice = choice(pair)
        choice.change("a", now: time(10)) { $0.target = .down }
        choice.change("a", now: time(11)) { $0.target = .up }
        choice.change("b", now: time(12)) { $0.isPresent = false }
        #expect(choice.choose(now: time(12)) == "a")
        choice.change("b", now: time(13)) { $0.isPresent = true }
        #expect(choice.choose(now: time(13)) == "a")
    }

    @Test func byHandItStaysWhereItIs() {
        var choice = choice(pair, failback: .manual)
        choice.change("a", now: time(10)) { $0.isHeard = false }
        choice.change("a", now: time(11)) { $0.isHeard = true }
        #expect(choice.choose(now: time(100_000)) == "b")
        // One connection that the other does not take, or that is to go there, moves no further ones.
        #expect(choice.choose(excluding: ["b"], now: time(100_000)) == "a")
        #expect(choice.choose(only: "a", now: time(100_000)) == "a")
        #expect(choice.choose(now: time(100_000)) == "b")
        #expect(choice.waitsForOperator(choice["a"]!))
        choice.failBack()
        #expect(choice.choose(now: time(100_000)) == "a")
        // The other one fails: there is nothing to wait for.
        choice.change("a", now: time(100_001)) { $0.isHeard = false }
        choice.change("a", now: time(100_002)) { $0.isHeard = true }
        choice.change("b", now: time(100_003)) { $0.isHeard = false }
        #expect(choice.choose(now: time(100_003)) == "a")
    }

    @Test func goodOrderIsNoFailure() {
        var choice = choice(pair)
        choice.change("a", now: time(1)) { $0.isLeaving = true }
        #expect(choice.choose(now: time(1)) == "b")
        choice.change("a", now: time(2)) { $0.isPresent = false }
        choice.change("a", now: time(3)) {
            $0.isPresent = true
            $0.isLeaving = false
        }
        #expect(choice.choose(now: time(3)) == "a")
    }

    private func client(_ number: Int) -> [UInt8] { Array("192.0.2.\(number)".utf8) }

    @Test func anAddressLeadsToTheSame() {
        let ends = ["a", "b", "c"].map { End(gateway: $0, order: 0) }
        var choice = choice(ends, isSticky: true)
        var homes: [Int: String] = [:]
        for number in 0..<200 { homes[number] = choice.choose(client: client(number), now: time(0)) }
        for name in ["a", "b", "c"] { #expect(homes.values.count { $0 == name } > 40) }
        for number in 0..<200 { #expect(choice.choose(client: client(number), now: time(1)) == homes[number]) }
        // One goes: its clients move, and nobody else's.
        choice.change("b", now: time(2)) { $0.target = .down }
        for number in 0..<200 {
            let now = choice.choose(client: client(number), now: time(2))
            #expect(homes[number] == "b" ? now != "b" : now == homes[number])
        }
        // It comes back, and they with it.
        choice.change("b", now: time(3)) { $0.target = .up }
        for number in 0..<200 { #expect(choice.choose(client: client(number), now: time(40)) == homes[number]) }
    }

    @Test func weightsHoldForAddressesToo() {
        var choice = choice(
            [End(gateway: "a", order: 0, weight: 3), End(gateway: "b", order: 0, weight: 1)], isSticky: true)
        let count = (0..<1_000).count { choice.choose(client: client($0), now: time(0)) == "a" }
        #expect((690...810).contains(count))
    }

    @Test func whatIsKnownStaysWhenTheConfigurationChanges() {
        var choice = choice(pair)
        choice.change("a", now: time(1)) { $0.target = .down }
        choice.update(pair + [End(gateway: "c")], isSticky: false, failback: .manual)
        #expect(choice["a"]?.target == .down)
        #expect(choice.choose(now: time(1)) == "b")
        choice.update([End(gateway: "c"), End(gateway: "b", order: 7)], isSticky: false, failback: .manual)
        choice.change("c", now: time(2)) { $0.isPresent = true }
        #expect(choice["a"] == nil)
        #expect(choice.choose(now: time(2)) == "c")
    }
}
