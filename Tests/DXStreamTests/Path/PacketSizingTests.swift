import DXWire
import Testing

@testable import DXStream

@Suite struct PacketSizingTests {
    /// Rounds of ten packets, each acknowledged as a whole.
    private struct Rounds {
        var sizing = PacketSizing(maximumPacket: 16_384)
        var next: UInt64 = 10

        mutating func pass(_ count: Int) {
            for _ in 0..<count {
                sizing.onAcknowledged(largest: next, next: next + 10)
                next += 10
            }
        }
    }

    private func count(_ sizing: PacketSizing, mtu: Int = 1_472, window: Int = 1 << 30, pace: Int = 1 << 30) -> Int {
        sizing.datagramCount(mtu: mtu, overhead: 38, window: window, pace: pace)
    }

    @Test func growsWithQuietRounds() {
        var rounds = Rounds()
        #expect(count(rounds.sizing) == 1)
        rounds.pass(1)
        #expect(rounds.sizing.allowed == 1)
        rounds.pass(1)
        #expect(rounds.sizing.allowed == 2)
        rounds.pass(8)
        #expect(rounds.sizing.allowed == 32)
        // What a DTLS record holds: eleven datagrams on Ethernet.
        #expect(count(rounds.sizing) == 11)
        #expect(count(rounds.sizing, mtu: 8_972) == 1)
        #expect(count(rounds.sizing, mtu: 1_200) == 13)
    }

    @Test func staysWithinWindowAndPace() {
        var rounds = Rounds()
        rounds.pass(20)
        #expect(count(rounds.sizing, window: 8 * 1_472 * 5) == 5)
        #expect(count(rounds.sizing, window: 14_720) == 1)
        #expect(count(rounds.sizing, pace: 3_000) == 2)
        #expect(count(rounds.sizing, pace: 0) == 1)
        #expect(count(rounds.sizing, mtu: 500) == 1)
    }

    /// After a loss: one datagram, and twice as many rounds to wait; but no more than 64, and fewer in good times.
    @Test func aLossEndsItForAWhile() {
        var rounds = Rounds()
        rounds.pass(20)
        rounds.sizing.onLost(next: rounds.next)
        #expect(count(rounds.sizing) == 1)
        // A second one of the same round changes nothing.
        rounds.sizing.onLost(next: rounds.next)
        rounds.pass(3)
        #expect(rounds.sizing.allowed == 1)
        rounds.pass(1)
        #expect(rounds.sizing.allowed == 2)
        for _ in 0..<20 {
            rounds.pass(1)
            rounds.sizing.onLost(next: rounds.next)
        }
        rounds.pass(63)
        #expect(rounds.sizing.allowed == 1)
        rounds.pass(1)
        #expect(rounds.sizing.allowed == 2)
        rounds.pass(64 * 4 + 64 * 6)
        rounds.sizing.onLost(next: rounds.next)
        rounds.pass(4)
        #expect(rounds.sizing.allowed == 2)
    }

    /// Acknowledgements of one round count once.
    @Test func aRoundIsARoundTrip() {
        var sizing = PacketSizing(maximumPacket: 16_384)
        for largest: UInt64 in 0..<10 { sizing.onAcknowledged(largest: largest, next: 10) }
        #expect(sizing.allowed == 1)
        sizing.onAcknowledged(largest: 10, next: 20)
        #expect(sizing.allowed == 2)
    }

    @Test func neverWhereThePeerTakesNone() {
        var rounds = Rounds()
        rounds.sizing = PacketSizing(maximumPacket: 0)
        rounds.pass(100)
        #expect(count(rounds.sizing) == 1)
    }

    @Test(arguments: [1_200, 1_372, 1_472, 8_972]) func sizesAgree(mtu: Int) {
        for count in 1...(16_408 / (mtu - 16)) {
            let capacity = PacketSizing.capacity(count: count, mtu: mtu, overhead: 38)
            let full = PacketSizing.datagramBytes(packet: capacity, mtu: mtu, overhead: 38)
            #expect(full.total == count * mtu)
            #expect(full.isFragmented == (count > 1))
            // One byte more takes another datagram.
            let more = PacketSizing.datagramBytes(packet: capacity + 1, mtu: mtu, overhead: 38)
            #expect(more.isFragmented && more.total > full.total)
        }
    }
}
