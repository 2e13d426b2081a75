import DXWire
import Testing

@testable import DXTunnel

@Suite struct RateTurnsTests {
    private let start = Instant(nanoseconds: 1_000)

    /// What some senders still have, and what each has sent.
    private struct Senders {
        var left: [Int]
        var sent: [Int]
        /// Each turn: who, how much, when.
        var turns: [(sender: Int, count: Int, at: Instant)] = []

        init(_ left: [Int]) {
            self.left = left
            sent = [Int](repeating: 0, count: left.count)
        }

        /// Serves whom the rate allows; those with more go behind the others.
        mutating func serve(_ machine: inout RateTurns<Int>, now: Instant) {
            while let (sender, limit) = machine.next(now: now, sendable: { left[$0] }) {
                left[sender] -= limit
                sent[sender] += limit
                turns.append((sender, limit, now))
                machine.onSent(limit, now: now)
                if left[sender] > 0 { machine.join(sender) }
            }
        }

        /// Serves until nobody waits, as a timer does that is never late.
        mutating func run(_ machine: inout RateTurns<Int>, from start: Instant) -> Instant {
            var now = start
            serve(&machine, now: now)
            while let next = machine.nextTurn(now: now, sendable: { left[$0] }) {
                #expect(next >= now + .milliseconds(1))
                now = next
                serve(&machine, now: now)
            }
            return now
        }
    }

    @Test(
        arguments: [
            (8_000, 16_384, 1_200), (500_000, 16_384, 1_250), (20_000_000, 50_000, 16_384),
            (1_000_000_000, 2_500_000, 16_384), (.max, 250_000_000, 16_384),
        ] as [(UInt64, Int, Int)])
    func dependsOnTheRate(rate: UInt64, burst: Int, piece: Int) {
        let machine = RateTurns<Int>(bitsPerSecond: rate)
        #expect(machine.burstByteCount == burst && machine.pieceByteCount == piece)
    }

    /// Those that wait keep their turns under another rate, of which the rest takes the time that it should, without a burst.
    @Test func theRateChangesWhileSendersWait() {
        var machine = RateTurns<Int>(bitsPerSecond: 8_000)
        var senders = Senders([1_016_384, 1_000_000])
        for sender in 0...1 { machine.join(sender) }
        senders.serve(&machine, now: start)
        let sent = senders.sent[0] + senders.sent[1]
        #expect(sent <= 16_384 && sent > 16_384 - 1_200)
        machine.setRate(bitsPerSecond: 80_000_000, now: start)
        #expect(machine.count == 2 && machine.pieceByteCount == 16_384 && machine.burstByteCount == 200_000)
        let end = senders.run(&machine, from: start)
        #expect(senders.left == [0, 0])
        // 10 MB a second.
        let expected = Interval.milliseconds(200)
        #expect(end - start > expected - .milliseconds(3) && end - start < expected + .milliseconds(3))
        // Neither got ahead of the other.
        machine.join(0)
        machine.join(1)
        #expect(machine.leave() == 0 && machine.leave() == 1 && machine.leave() == nil)
    }

    /// One sender with 10 MB at 20 Mbit/s: all goes, and takes the time that it should, but for the burst.
    @Test func keepsTheRate() {
        var machine = RateTurns<Int>(bitsPerSecond: 20_000_000)
        var senders = Senders([10_000_000])
        machine.join(0)
        let end = senders.run(&machine, from: start)
        #expect(senders.sent == [10_000_000])
        // (10,000,000 - 50,000) bytes of 400 ns.
        #expect(end - start == .microseconds(3_980_000))
        #expect(machine.waitCount > 0 && machine.waited(now: end) == end - start)
        #expect(machine.nextTurn(now: end, sendable: { _ in 1 }) == nil)
    }

    /// A thousand senders that have all they want share alike at every moment, whatever the order in which they came.
    @Test func nobodyStarves() {
        var machine = RateTurns<Int>(bitsPerSecond: 50_000_000)
        var senders = Senders([Int](repeating: .max / 2, count: 1_000))
        for sender in 0..<1_000 { machine.join(sender) }
        var now = start
        for _ in 0..<5_000 {
            senders.serve(&machine, now: now)
            now = machine.nextTurn(now: now, sendable: { _ in 16_384 })!
            let (least, most) = (senders.sent.min()!, senders.sent.max()!)
            #expect(most - least <= 16_384)
            if most - least > 16_384 { return }
        }
        #expect(senders.sent.min()! > 16_384)
    }

    /// One that has a little waits for one piece of each of the others, not for all that they have.
    @Test func oneWithLittleWaitsForAPieceOfEach() {
        var machine = RateTurns<Int>(bitsPerSecond: 500_000)
        var senders = Senders([1_000_000, 1_000_000, 10])
        machine.join(0)
        machine.join(1)
        senders.serve(&machine, now: start)
        machine.join(2)
        let now = machine.nextTurn(now: start, sendable: { senders.left[$0] })!
        let turnsBefore = senders.turns.count
        _ = senders.run(&machine, from: now)
        let order = senders.turns[turnsBefore...].map(\.sender)
        #expect(order.firstIndex(of: 2)! <= 2)
    }

    /// A sender that has gone, or whose stream takes nothing, costs nobody anything, even while the bucket is empty.
    @Test func forgetsWhoHasNothing() {
        var machine = RateTurns<Int>(bitsPerSecond: 8_000)
        machine.onSent(16_384, now: start)
        machine.join(1)
        machine.join(2)
        #expect(machine.next(now: start, sendable: { $0 == 1 ? 0 : 5 })?.limit == 0)
        #expect(machine.waitCount == 0)
        #expect(machine.next(now: start, sendable: { _ in 5 }) == nil)
        #expect(machine.waitCount == 1 && machine.count == 1)
        // It goes while the others wait for it.
        #expect(machine.nextTurn(now: start, sendable: { _ in 0 }) == start + .milliseconds(1))
        #expect(machine.next(now: start + .milliseconds(3), sendable: { _ in 0 })?.sender == 2)
        #expect(machine.waited(now: start + .seconds(9)) == .milliseconds(3))
        machine.join(3)
        machine.removeAll()
        #expect(machine.next(now: start, sendable: { _ in 1 }) == nil && machine.count == 0)
    }

    /// A timer that comes late by up to what the burst lasts loses nothing of the rate.
    @Test func losesNothingToALateTimer() {
        var machine = RateTurns<Int>(bitsPerSecond: 100_000_000)
        var senders = Senders([.max / 2])
        machine.join(0)
        var random = RandomSource(seed: 4)
        var now = start
        for _ in 0..<1_000 {
            senders.serve(&machine, now: now)
            let next = machine.nextTurn(now: now, sendable: { _ in 16_384 })!
            now = next + .microseconds(Int64(random.below(18_000)))
        }
        senders.serve(&machine, now: now)
        let given = 250_000 + Int((now - start).nanoseconds) / 80
        #expect(senders.sent[0] <= given && senders.sent[0] > given - 16_384)
    }
}
